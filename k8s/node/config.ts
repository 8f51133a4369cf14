/** What the node's program is told: flags and environment to one readonly value, or every error at once. Reads nothing else. */
import { addressAt } from "#core/address/address-at.ts";
import { type Cidr, ipBytes, type IpAddress, parseCidr } from "#core/address/ip.ts";
import { err, ok, type Result } from "#core/result.ts";
import type { LogLevel } from "#host/log.ts";
import { commonFlags, readTexts } from "#host/program-flags.ts";

/** How the node's program is set up. */
export interface Config {
  /** Sockets, tokens, records; `LAMBIENT_RUN_DIR`, default `/run/lambient`. */
  readonly runDir: string;
  /** Volumes and logs of Pods; `LAMBIENT_DATA_DIR`, default `/var/lib/lambient`. */
  readonly dataDir: string;
  /** The name of the Node object; `LAMBIENT_NODE`, default `node-0`. */
  readonly node: string;
  /** `LAMBIENT_LOG_LEVEL`, default `info`. */
  readonly logLevel: LogLevel;
  /** `LAMBIENT_LOG_FORMAT`, default `text`. */
  readonly logFormat: "text" | "json";
  /** The node's own address: the first of `LAMBIENT_NODE_RANGE`, default `10.244.0.0/24`. */
  readonly nodeAddress: IpAddress;
  /** Addresses of Pods: the upper half of that range. */
  readonly podRange: Cidr;
  /** Addresses of Services: `LAMBIENT_SERVICE_RANGE`, default `10.96.0.0/16`. */
  readonly serviceRange: Cidr;
  /** Where Pods reach the API: the first address of that range. */
  readonly apiAddress: IpAddress;
  /** What Pods' resolvers ask: the tenth address of that range. */
  readonly nameserver: IpAddress;
  /** The control group of Pods, below the mounts; not the program's own, which is cleared when it starts again. `LAMBIENT_CGROUP`, default `lambient/pods`. */
  readonly cgroup: string;
  /** Path of the host's network namespace, from where names are looked up outside; `LAMBIENT_HOST_NETNS`, absent: the program's own. */
  readonly hostNetworkPath: string | undefined;
  /** File that says what images stand for; `LAMBIENT_IMAGES`, empty: none. */
  readonly imagesFile: string;
  /** Folders of the machine that Pods may mount as hostPath, with commas between; `LAMBIENT_HOST_PATHS`, empty: none. */
  readonly hostPaths: readonly string[];
  /** First wait of a container that keeps crashing, in milliseconds; it doubles up to thirty times that. `LAMBIENT_RESTART_BACK_OFF_MS`, default 10000. */
  readonly restartBackOffMs: number;
}

const defaults = {
  ...commonFlags,
  "node-range": "10.244.0.0/24",
  "waypoint-range": "10.245.0.0/24",
  "service-range": "10.96.0.0/16",
  cgroup: "lambient/pods",
  "host-netns": "",
  images: "",
  "host-paths": "",
  "restart-back-off-ms": "10000",
};
type Flag = keyof typeof defaults;
const levels: readonly LogLevel[] = ["debug", "info", "warn", "error"];
/** The nameserver's place in the service range. */
const nameserverIndex = 10;
const backOffMsMax = 300_000;

/** Reads flags and environment; a flag wins. @returns the set-up, or all that is wrong */
export function parseConfig(
  args: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): Result<Config, readonly string[]> {
  const texts = readTexts(args, env, defaults);
  if (!texts.ok) return err([texts.error]);
  const text = (flag: Flag): string => texts.value[flag];
  const errors: string[] = [];
  const check = (flag: Flag, isGood: boolean, wanted: string): void => {
    if (!isGood) errors.push(`Cannot read --${flag} as ${wanted}: "${text(flag)}"`);
  };
  const nodeRange = parseCidr(text("node-range"));
  const serviceRange = parseCidr(text("service-range"));
  const logLevel = levels.find((level) => level === text("log-level"));
  const restartBackOffMs = Number(text("restart-back-off-ms"));
  const hostPaths = text("host-paths")
    .split(",")
    .filter((path) => path !== "");
  check("run-dir", text("run-dir").startsWith("/"), "an absolute path");
  check("data-dir", text("data-dir").startsWith("/"), "an absolute path");
  check("log-level", logLevel !== undefined, `one of ${levels.join(", ")}`);
  check("log-format", ["text", "json"].includes(text("log-format")), "text or json");
  check("node-range", nodeRange.ok && isRange(nodeRange.value), "an IPv4 range between /8 and /28");
  check("service-range", serviceRange.ok && isRange(serviceRange.value), "an IPv4 range between /8 and /28");
  check(
    "cgroup",
    /^[\w-][\w.-]*(\/[\w-][\w.-]*)*$/.test(text("cgroup")),
    "a path below the control groups' mounts",
  );
  check("host-paths", hostPaths.every(isPlainPath), "absolute paths with commas between");
  const isWait =
    Number.isInteger(restartBackOffMs) && restartBackOffMs >= 1 && restartBackOffMs <= backOffMsMax;
  check("restart-back-off-ms", isWait, `a whole number from 1 to ${backOffMsMax}`);
  if (errors.length > 0 || !nodeRange.ok || !serviceRange.ok || logLevel === undefined) return err(errors);
  return ok({
    runDir: text("run-dir"),
    dataDir: text("data-dir"),
    node: text("node"),
    logLevel,
    logFormat: text("log-format") === "json" ? "json" : "text",
    nodeAddress: addressAt(nodeRange.value, 1),
    podRange: upperHalf(nodeRange.value),
    serviceRange: serviceRange.value,
    apiAddress: addressAt(serviceRange.value, 1),
    nameserver: addressAt(serviceRange.value, nameserverIndex),
    cgroup: text("cgroup"),
    hostNetworkPath: text("host-netns") === "" ? undefined : text("host-netns"),
    imagesFile: text("images"),
    hostPaths,
    restartBackOffMs,
  });
}

function isPlainPath(path: string): boolean {
  return path.startsWith("/") && path !== "/" && !path.split("/").includes("..");
}

function isRange({ address, prefixBits }: Cidr): boolean {
  return ipBytes(address).length === 4 && prefixBits >= 8 && prefixBits <= 28;
}

function upperHalf(range: Cidr): Cidr {
  const half = range.prefixBits + 1;
  return { address: addressAt(range, 2 ** (32 - half)), prefixBits: half };
}

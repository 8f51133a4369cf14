/** What the node runtime is told: flags and environment to one readonly value, or every error at once. Reads nothing else. */
import { fileURLToPath } from "node:url";
import { addressAt } from "#core/address/address-at.ts";
import { type Cidr, ipBytes, type IpAddress, parseCidr } from "#core/address/ip.ts";
import { err, ok, type Result } from "#core/result.ts";
import type { LogLevel } from "#host/log.ts";
import { commonFlags, readTexts } from "#host/program-flags.ts";

/** How the node runtime is set up. */
export interface Config {
  /** Sockets and tokens; `LAMBIENT_RUN_DIR`, default `/run/lambient`. */
  readonly runDir: string;
  /** Bundles and logs; `LAMBIENT_DATA_DIR`, default `/var/lib/lambient`. */
  readonly dataDir: string;
  /** `LAMBIENT_TRUST_DOMAIN`, default `cluster.local`. */
  readonly trustDomain: string;
  /** The node's name; `LAMBIENT_NODE`, default `node-0`. */
  readonly node: string;
  /** `LAMBIENT_LOG_LEVEL`, default `info`. */
  readonly logLevel: LogLevel;
  /** `LAMBIENT_LOG_FORMAT`, default `text`. */
  readonly logFormat: "text" | "json";
  /** Addresses of slots: the lower half of `LAMBIENT_NODE_RANGE`, default `10.244.0.0/24`. Its first two are not for slots. */
  readonly slotRange: Cidr;
  /** What resolvers in slots ask: the tenth address of `LAMBIENT_SERVICE_RANGE`, default `10.96.0.0/16`. */
  readonly nameserver: IpAddress;
  /** Slots kept ready; `LAMBIENT_POOL_SIZE`, default 4. */
  readonly poolSize: number;
  /** The control group below which slots get theirs, below the mounts; `LAMBIENT_CGROUP`, default `lambient/node-runtime`. */
  readonly cgroup: string;
  /** Path of the waypoint's program; `LAMBIENT_WAYPOINT_ENTRY`, default the one beside this program. */
  readonly waypointEntry: string;
  /** The flags that every program gets, for the waypoints started here. */
  readonly commonFlags: readonly string[];
}

const defaults = {
  ...commonFlags,
  "node-range": "10.244.0.0/24",
  "waypoint-range": "10.245.0.0/24",
  "service-range": "10.96.0.0/16",
  "pool-size": "4",
  cgroup: "lambient/node-runtime",
  "waypoint-entry": fileURLToPath(new URL("../waypoint/main.ts", import.meta.url)),
};
type Flag = keyof typeof defaults;
const common = Object.keys(commonFlags) as (keyof typeof commonFlags)[]; // Sound: these are its keys.
const levels: readonly LogLevel[] = ["debug", "info", "warn", "error"];
const poolSizeMax = 64;
/** The nameserver's place in the service range. */
const nameserverIndex = 10;

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
  const poolSize = Number(text("pool-size"));
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
  check(
    "pool-size",
    Number.isInteger(poolSize) && poolSize >= 1 && poolSize <= poolSizeMax,
    `a whole number from 1 to ${poolSizeMax}`,
  );
  if (errors.length > 0 || !nodeRange.ok || !serviceRange.ok || logLevel === undefined) return err(errors);
  return ok({
    runDir: text("run-dir"),
    dataDir: text("data-dir"),
    trustDomain: text("trust-domain"),
    node: text("node"),
    logLevel,
    logFormat: text("log-format") === "json" ? "json" : "text",
    slotRange: { address: nodeRange.value.address, prefixBits: nodeRange.value.prefixBits + 1 },
    nameserver: addressAt(serviceRange.value, nameserverIndex),
    poolSize,
    cgroup: text("cgroup"),
    waypointEntry: text("waypoint-entry"),
    commonFlags: common.flatMap((flag) => [`--${flag}`, text(flag)]),
  });
}

function isRange({ address, prefixBits }: Cidr): boolean {
  return ipBytes(address).length === 4 && prefixBits >= 8 && prefixBits <= 28;
}

/** What ztunnel is told: flags and environment to one readonly value, or every error at once. Reads no files. */
import { parseArgs } from "node:util";
import { type Cidr, type IpAddress, parseCidr, parseIp } from "#core/address/ip.ts";
import { parseSocketAddress, type SocketAddress } from "#core/address/socket-address.ts";
import { err, ok, type Result } from "#core/result.ts";
import type { LogLevel } from "#host/log.ts";
import { errorText } from "#host/mesh-error.ts";
import { variableOf } from "#host/program-flags.ts";

/** A workload of the file mode that is served here. */
export interface CapturedNamespace {
  /** The workload's address in the file. */
  readonly address: IpAddress;
  /** Path of its network namespace, in which only loopback is up and everything is routed to it. */
  readonly namespacePath: string;
}

/** A server of the control plane. */
export interface ControlPlaneTarget {
  /** `unix:<path>` or `<host>:<port>`. */
  readonly target: string;
  /** The roots its certificate must chain to. */
  readonly rootsPath: string;
  readonly tokenPath: string;
  /** The DNS name that its certificate must carry. */
  readonly serverName: string;
}

/** Where the mesh is learnt from. */
export type MeshSource =
  | {
      readonly kind: "control-plane";
      readonly ads: ControlPlaneTarget;
      readonly authority: ControlPlaneTarget;
      readonly zdsPath: string;
      /** Where the node tells of Pods, as far as there is one. */
      readonly podsPath: string;
    }
  | {
      readonly kind: "file";
      readonly path: string;
      readonly certificatesFolder: string;
      readonly captures: readonly CapturedNamespace[];
    };

/** How ztunnel runs. */
export interface Config {
  /** Sockets and tokens; `LAMBIENT_RUN_DIR`, default `/run/lambient`. */
  readonly runDir: string;
  /** `LAMBIENT_TRUST_DOMAIN` or `TRUST_DOMAIN`, default `cluster.local`. */
  readonly trustDomain: string;
  /** The node's name; `LAMBIENT_NODE` or `NODE_NAME`, default `node-0`. */
  readonly node: string;
  /** `LAMBIENT_NETWORK` or `NETWORK`, default none. */
  readonly network: string;
  /** `LAMBIENT_CLUSTER_ID` or `CLUSTER_ID`, default `Kubernetes`. */
  readonly clusterId: string;
  /** Below which mesh names end; `LAMBIENT_DOMAIN`, default `cluster.local`. */
  readonly domain: string;
  readonly logLevel: LogLevel;
  readonly logFormat: "text" | "json";
  /** Ranges that functions never reach outside the mesh: nodes, slots and Pods, waypoints, services. */
  readonly meshRanges: readonly Cidr[];
  /** The address that slots ask for names; `LAMBIENT_NAMESERVER`, default `10.96.0.10`. ZDS names another for its slots. */
  readonly nameserver: IpAddress;
  /** Path of the namespace from which the world is reached; `LAMBIENT_HOST_NETNS`, default our own. */
  readonly hostNamespacePath: string | undefined;
  /** Who answers names outside the mesh, `ip` or `ip:port` by commas; `LAMBIENT_RESOLVERS`, default those of `/etc/resolv.conf`. */
  readonly resolvers: readonly SocketAddress[];
  readonly source: MeshSource;
  /** Longest an inbound connection waits for its workload's policies, in ms; `LAMBIENT_POLICY_HOLD_MS`, default 5000. */
  readonly policyHoldMs: number;
  /** Longest the end waits for open connections, in ms; `LAMBIENT_DRAIN_MS`, default 5000. */
  readonly drainMs: number;
  /** Workloads served at once; `LAMBIENT_WORKLOADS_MAX`, default 4096. */
  readonly workloadsMax: number;
  /** Connections at once, both directions together; `LAMBIENT_CONNECTIONS_MAX`, default 50000. */
  readonly connectionsMax: number;
  /** Of one workload; `LAMBIENT_CONNECTIONS_PER_WORKLOAD_MAX`, default 8192. */
  readonly connectionsPerWorkloadMax: number;
  /** Connections a second that get a span; `LAMBIENT_SPANS_PER_SECOND`, default 200. */
  readonly spansPerSecond: number;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** Flags that have one value; the second name is Istio's in the environment. */
const flags = {
  "run-dir": { absent: "/run/lambient" },
  "data-dir": { absent: "" },
  "trust-domain": { absent: "cluster.local", istio: "TRUST_DOMAIN" },
  node: { absent: "node-0", istio: "NODE_NAME" },
  network: { absent: "", istio: "NETWORK" },
  "cluster-id": { absent: "Kubernetes", istio: "CLUSTER_ID" },
  domain: { absent: "cluster.local" },
  "log-level": { absent: "info" },
  "log-format": { absent: "text", istio: "LOG_FORMAT" },
  "node-range": { absent: "10.244.0.0/24" },
  "waypoint-range": { absent: "10.245.0.0/24" },
  "service-range": { absent: "10.96.0.0/16" },
  nameserver: { absent: "10.96.0.10" },
  "host-netns": { absent: "" },
  resolvers: { absent: "" },
  "local-config": { absent: "", istio: "LOCAL_XDS_PATH" },
  certificates: { absent: "" },
  "xds-address": { absent: "", istio: "XDS_ADDRESS" },
  "ca-address": { absent: "", istio: "CA_ADDRESS" },
  "xds-root": { absent: "", istio: "XDS_ROOT_CA" },
  "ca-root": { absent: "", istio: "CA_ROOT_CA" },
  token: { absent: "" },
  zds: { absent: "", istio: "INPOD_UDS" },
  "policy-hold-ms": { absent: "5000" },
  "drain-ms": { absent: "5000" },
  "workloads-max": { absent: "4096" },
  "connections-max": { absent: "50000" },
  "connections-per-workload-max": { absent: "8192" },
  "spans-per-second": { absent: "200" },
} as const satisfies Readonly<Record<string, { readonly absent: string; readonly istio?: string }>>;

type Flag = keyof typeof flags;
type Texts = Readonly<Record<Flag, string>>;

/** Reads arguments and environment; a flag counts before the environment. */
export function readConfig(
  argv: readonly string[],
  environment: Environment,
): Result<Config, readonly string[]> {
  const given = readFlags(argv);
  if (!given.ok) return err([given.error]);
  const mistakes: string[] = [];
  const fail = (flag: string, wanted: string, got: string): void => {
    mistakes.push(`Cannot read --${flag} as ${wanted}: "${got}"`);
  };
  const texts = textsOf(given.value.values, environment);
  const source = readSource(texts, given.value.captures, fail);
  const config: Config = {
    runDir: texts["run-dir"],
    trustDomain: matching(texts, "trust-domain", /^[a-z0-9._-]{1,255}$/, fail),
    node: texts.node,
    network: texts.network,
    clusterId: texts["cluster-id"],
    domain: texts.domain,
    logLevel: oneOf(texts, "log-level", ["debug", "info", "warn", "error"], fail),
    // Istio's word for text is plain.
    logFormat: texts["log-format"] === "plain" ? "text" : oneOf(texts, "log-format", ["text", "json"], fail),
    meshRanges: (["node-range", "waypoint-range", "service-range"] as const).map((flag) =>
      range(texts, flag, fail),
    ),
    nameserver: ipAddress(texts.nameserver, "nameserver", fail),
    hostNamespacePath: texts["host-netns"] || undefined,
    resolvers: resolverList(texts, fail),
    source,
    policyHoldMs: whole(texts, "policy-hold-ms", fail),
    drainMs: whole(texts, "drain-ms", fail),
    workloadsMax: whole(texts, "workloads-max", fail),
    connectionsPerWorkloadMax: whole(texts, "connections-per-workload-max", fail),
    connectionsMax: whole(texts, "connections-max", fail),
    spansPerSecond: whole(texts, "spans-per-second", fail),
  };
  return mistakes.length > 0 ? err(mistakes) : ok(config);
}

type Fail = (flag: string, wanted: string, got: string) => void;

interface Given {
  readonly values: Readonly<Partial<Record<Flag, string>>>;
  readonly captures: readonly string[];
}

function readFlags(argv: readonly string[]): Result<Given> {
  const names = Object.keys(flags).map((name) => [name, { type: "string" }] as const);
  try {
    const parsed = parseArgs({
      args: [...argv],
      options: { ...Object.fromEntries(names), capture: { type: "string", multiple: true } },
      strict: true,
      allowPositionals: false,
    });
    const given: Readonly<Record<string, unknown>> = parsed.values;
    const values: Record<string, string> = {};
    for (const [name, value] of Object.entries(given)) if (typeof value === "string") values[name] = value;
    const captures = Array.isArray(given["capture"]) ? given["capture"].map(String) : [];
    return ok({ values, captures });
  } catch (error) {
    return err(errorText(error));
  }
}

function textsOf(values: Given["values"], environment: Environment): Texts {
  const texts = Object.entries(flags).map(([name, flag]) => {
    const istio = "istio" in flag ? environment[flag.istio] : undefined;
    // Sound: `name` is a key of the flags it was read from.
    return [name, values[name as Flag] ?? environment[variableOf(name)] ?? istio ?? flag.absent];
  });
  return Object.fromEntries(texts) as Texts;
}

function readSource(texts: Texts, captures: readonly string[], fail: Fail): MeshSource {
  if (texts["local-config"] === "") {
    if (captures.length > 0)
      fail("capture", "a part of the file mode, with --local-config", captures.join(" "));
    const { "xds-address": xds, "ca-address": ca } = texts;
    return {
      kind: "control-plane",
      ads: controlPlaneTarget(texts, xds, texts["xds-root"]),
      authority: controlPlaneTarget(texts, ca || xds, texts["ca-root"] || texts["xds-root"]),
      podsPath: `${texts["run-dir"]}/pods.sock`,
      zdsPath: texts.zds || `${texts["run-dir"]}/zds.sock`,
    };
  }
  if (texts.certificates === "")
    fail("certificates", "the folder with ca.pem and each identity's .pem and .key", "");
  return {
    kind: "file",
    path: texts["local-config"],
    certificatesFolder: texts.certificates,
    captures: captures.map((text) => {
      const at = text.indexOf("=");
      if (at < 1) fail("capture", "<address>=<path of a network namespace>", text);
      return { address: ipAddress(text.slice(0, at), "capture", fail), namespacePath: text.slice(at + 1) };
    }),
  };
}

/** An address as Istio writes it, `https://host:port`, or the control plane's own socket. */
function controlPlaneTarget(texts: Texts, address: string, roots: string): ControlPlaneTarget {
  const runDir = texts["run-dir"];
  const target = address.replace(/^https:\/\//, "") || `unix:${runDir}/control.sock`;
  return {
    target,
    rootsPath: roots || `${runDir}/ca.pem`,
    tokenPath: texts.token || `${runDir}/tokens/ztunnel`,
    serverName: target.startsWith("unix:") ? "lambient.local" : target.replace(/:\d+$/, ""),
  };
}

function matching(texts: Texts, flag: Flag, pattern: RegExp, fail: Fail): string {
  if (!pattern.test(texts[flag])) fail(flag, `text of the form ${pattern.source}`, texts[flag]);
  return texts[flag];
}

function oneOf<Word extends string>(
  texts: Texts,
  flag: Flag,
  words: readonly [Word, ...Word[]],
  fail: Fail,
): Word {
  const found = words.find((word) => word === texts[flag]);
  if (found === undefined) fail(flag, `one of ${words.join(", ")}`, texts[flag]);
  return found ?? words[0];
}

function whole(texts: Texts, flag: Flag, fail: Fail): number {
  if (!/^\d{1,9}$/.test(texts[flag])) fail(flag, "a whole number", texts[flag]);
  return Number(texts[flag]);
}

function resolverList(texts: Texts, fail: Fail): SocketAddress[] {
  const entries = texts.resolvers.split(",").filter((entry) => entry !== "");
  return entries.flatMap((entry) => {
    const bare = parseIp(entry);
    const full = bare.ok ? ok({ ip: bare.value, port: 53 }) : parseSocketAddress(entry);
    if (!full.ok) fail("resolvers", "ip or ip:port, by commas", entry);
    return full.ok ? [full.value] : [];
  });
}

function range(texts: Texts, flag: Flag, fail: Fail): Cidr {
  const cidr = parseCidr(texts[flag]);
  if (cidr.ok) return cidr.value;
  fail(flag, "a range such as 10.244.0.0/24", texts[flag]);
  return { address: "0.0.0.0" as IpAddress, prefixBits: 32 };
}

function ipAddress(text: string, flag: string, fail: Fail): IpAddress {
  const ip = parseIp(text);
  if (!ip.ok) fail(flag, "an IP address", text);
  return ip.ok ? ip.value : ("0.0.0.0" as IpAddress);
}

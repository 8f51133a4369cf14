/** What a waypoint or edge is told: flags and environment to one readonly value, or every error at once. Reads no files. */
import { parseArgs } from "node:util";
import { type IpAddress, parseIp } from "#core/address/ip.ts";
import { parseSocketAddress, type SocketAddress } from "#core/address/socket-address.ts";
import { err, ok, type Result } from "#core/result.ts";
import type { LogLevel } from "#host/log.ts";
import { commonFlags, variableOf } from "#host/program-flags.ts";

/** What the program serves as. */
export type Role =
  /** Booted ahead of time; descriptor 3 is a channel to the node runtime, which says whose waypoint it becomes. */
  | { readonly kind: "generic" }
  /** Serves callers from outside on a listening socket made elsewhere. */
  | { readonly kind: "edge"; readonly listenFd: number; readonly address: IpAddress }
  /** A named waypoint with a listener of its own, without a node runtime above it: for tests and other supervisors. */
  | {
      readonly kind: "direct";
      readonly namespace: string;
      readonly name: string;
      readonly listen: SocketAddress;
    };

/** Bounds; each has a flag of its name. */
export interface WaypointLimits {
  /** Requests at once, 10 000. */
  readonly requestsMax: number;
  /** Callers' connections at once, 20 000. */
  readonly connectionsMax: number;
  /** Requests of one revision that wait for room, 1000. */
  readonly queueMax: number;
  /** Connections tried for one request, 3. */
  readonly attemptsMax: number;
  /** Idle upstream connections for one instance and caller, 64. */
  readonly upstreamIdlePerKeyMax: number;
  /** Idle upstream connections in all, 2048. */
  readonly upstreamIdleMax: number;
  /** How long an upstream connection is kept idle, 60 s. */
  readonly upstreamIdleMs: number;
  /** How long a caller's connection may be without a request, 5 min; at the edge 75 s. */
  readonly connectionIdleMs: number;
  /** Longest the end waits for requests under way, 10 s. */
  readonly drainMs: number;
  /** Requests a second that the edge samples for traces, 100. */
  readonly samplesPerSecond: number;
}

/** How the program runs. */
export interface Config {
  readonly role: Role;
  /** Sockets and tokens; `LAMBIENT_RUN_DIR`, default `/run/lambient`. */
  readonly runDir: string;
  /** `LAMBIENT_TRUST_DOMAIN`, default `cluster.local`. */
  readonly trustDomain: string;
  /** The node's name; `LAMBIENT_NODE`, default `node-0`. */
  readonly node: string;
  readonly logLevel: LogLevel;
  readonly logFormat: "text" | "json";
  /** Whether each request leaves a line; `LAMBIENT_ACCESS_LOG`, default `on`. */
  readonly accessLog: boolean;
  /** Folder with certificates, for a mesh without an authority; empty: the authority's. `LAMBIENT_CERTIFICATES`. */
  readonly certificatesFolder: string;
  readonly limits: WaypointLimits;
}

const texts = {
  ...commonFlags,
  "access-log": "on",
  name: "",
  listen: "",
  "listen-fd": "",
  certificates: "",
  address: "",
} as const;

const numbers = {
  "requests-max": 10_000,
  "connections-max": 20_000,
  "queue-max": 1000,
  "attempts-max": 3,
  "upstream-idle-per-key-max": 64,
  "upstream-idle-max": 2048,
  "upstream-idle-ms": 60_000,
  "connection-idle-ms": 300_000,
  "drain-ms": 10_000,
  "samples-per-second": 100,
} as const;

/** What outsiders get instead of the default for callers in the mesh: as browsers and proxies expect. */
const outsideIdleMs = 75_000;

type Environment = Readonly<Record<string, string | undefined>>;
type Fail = (flag: string, wanted: string, got: string) => void;

/** Reads arguments and environment; a flag counts before the environment. */
export function readConfig(
  argv: readonly string[],
  environment: Environment,
): Result<Config, readonly string[]> {
  const given = readFlags(argv);
  if (!given.ok) return err([given.error]);
  const mistakes: string[] = [];
  const fail: Fail = (flag, wanted, got) => mistakes.push(`Cannot read --${flag} as ${wanted}: "${got}"`);
  const { values, switches } = given.value;
  const text = (flag: string, absent: string): string =>
    values[flag] ?? environment[variableOf(flag)] ?? absent;
  const number = (flag: keyof typeof numbers): number =>
    whole(text(flag, String(numbers[flag])), { flag, most: 2 ** 31 - 1 }, fail);
  const isEdge = switches.has("edge");
  const hasIdle = text("connection-idle-ms", "") !== "";
  const config: Config = {
    role: readRole(switches, (flag) => text(flag, ""), fail),
    runDir: text("run-dir", texts["run-dir"]),
    trustDomain: text("trust-domain", texts["trust-domain"]),
    node: text("node", texts.node),
    logLevel: oneOf(
      text("log-level", texts["log-level"]),
      "log-level",
      ["debug", "info", "warn", "error"],
      fail,
    ),
    logFormat: oneOf(text("log-format", texts["log-format"]), "log-format", ["text", "json"], fail),
    accessLog: oneOf(text("access-log", texts["access-log"]), "access-log", ["on", "off"], fail) === "on",
    certificatesFolder: text("certificates", texts.certificates),
    limits: {
      requestsMax: number("requests-max"),
      connectionsMax: number("connections-max"),
      queueMax: number("queue-max"),
      attemptsMax: number("attempts-max"),
      upstreamIdlePerKeyMax: number("upstream-idle-per-key-max"),
      upstreamIdleMax: number("upstream-idle-max"),
      upstreamIdleMs: number("upstream-idle-ms"),
      connectionIdleMs: isEdge && !hasIdle ? outsideIdleMs : number("connection-idle-ms"),
      drainMs: number("drain-ms"),
      samplesPerSecond: number("samples-per-second"),
    },
  };
  return mistakes.length > 0 ? err(mistakes) : ok(config);
}

interface Given {
  readonly values: Readonly<Record<string, string>>;
  readonly switches: ReadonlySet<string>;
}

function readFlags(argv: readonly string[]): Result<Given> {
  const names = [...Object.keys(texts), ...Object.keys(numbers)];
  try {
    const { values } = parseArgs({
      args: [...argv],
      options: {
        ...Object.fromEntries(names.map((name) => [name, { type: "string" as const }])),
        generic: { type: "boolean" },
        edge: { type: "boolean" },
      },
      strict: true,
      allowPositionals: false,
    });
    const entries = Object.entries(values);
    const valued = entries.flatMap(([name, value]) => (typeof value === "string" ? [[name, value]] : []));
    const switches = entries.flatMap(([name, value]) => (typeof value === "boolean" ? [name] : []));
    return ok({ values: Object.fromEntries(valued), switches: new Set(switches) });
  } catch (error) {
    return err(`Cannot read the flags: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function readRole(switches: ReadonlySet<string>, text: (flag: string) => string, fail: Fail): Role {
  if (switches.has("generic")) return { kind: "generic" };
  if (switches.has("edge")) {
    const ip = parseIp(text("address"));
    if (!ip.ok) fail("address", "the edge's own IP address", text("address"));
    const listenFd = whole(text("listen-fd"), { flag: "listen-fd", most: 65_535 }, fail);
    return { kind: "edge", listenFd, address: ip.ok ? ip.value : anyAddress };
  }
  const [namespace = "", name = "", ...rest] = text("name").split("/");
  if (namespace === "" || name === "" || rest.length > 0)
    fail("name", "<namespace>/<gateway>, or give --generic or --edge", text("name"));
  const listen = parseSocketAddress(text("listen"));
  if (!listen.ok) fail("listen", "<ip>:<port>", text("listen"));
  return { kind: "direct", namespace, name, listen: listen.ok ? listen.value : { ip: anyAddress, port: 0 } };
}

// Sound: the text is canonical. It stands only in a configuration that is thrown away.
const anyAddress = "0.0.0.0" as IpAddress;

function whole(
  text: string,
  { flag, most }: { readonly flag: string; readonly most: number },
  fail: Fail,
): number {
  const value = /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN;
  if (value <= most) return value;
  fail(flag, `a whole number of at most ${most}`, text);
  return 0;
}

function oneOf<Word extends string>(text: string, flag: string, words: readonly Word[], fail: Fail): Word {
  const found = words.find((word) => word === text);
  if (found === undefined) fail(flag, words.join(" or "), text);
  // Sound for use: when nothing was found the configuration is thrown away.
  return found ?? (text as Word);
}

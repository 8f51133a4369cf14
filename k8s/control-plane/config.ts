/** What the control plane is told: flags and environment to one readonly value, or every error at once. Reads no files. */
import { addressAt } from "#core/address/address-at.ts";
import { ipBytes, type IpAddress, parseCidr } from "#core/address/ip.ts";
import { err, ok, type Result } from "#core/result.ts";
import type { LogLevel } from "#host/log.ts";
import { commonFlags, readTexts } from "#host/program-flags.ts";

/** How the control plane runs. */
export interface Config {
  /** Sockets, certificates, tokens; `LAMBIENT_RUN_DIR`, default `/run/lambient`. */
  readonly runDir: string;
  /** Objects, bundles, keys, spans; `LAMBIENT_DATA_DIR`, default `/var/lib/lambient`. */
  readonly dataDir: string;
  /** `LAMBIENT_TRUST_DOMAIN`, default `cluster.local`. */
  readonly trustDomain: string;
  /** The node's name; `LAMBIENT_NODE`, default `node-0`. */
  readonly node: string;
  /** `LAMBIENT_LOG_LEVEL`, default `info`. */
  readonly logLevel: LogLevel;
  /** `LAMBIENT_LOG_FORMAT`, default `text`. */
  readonly logFormat: "text" | "json";
  /** Where the API listens on 127.0.0.1, 0 for a free port; `LAMBIENT_API_PORT`, default 7443. */
  readonly apiPort: number;
  /** The node's own address: the first of `LAMBIENT_NODE_RANGE`, default `10.244.0.0/24`. */
  readonly nodeAddress: IpAddress;
  /** `LAMBIENT_WAYPOINT_RANGE`, default `10.245.0.0/24`. */
  readonly waypointRange: string;
  /** The edge's address: the first of the waypoints' range. */
  readonly edgeAddress: IpAddress;
  /** Where Services get addresses; `LAMBIENT_SERVICE_RANGE`, default `10.96.0.0/16`. */
  readonly serviceRange: string;
  /** Where Pods reach the API: the first address of the service range. */
  readonly apiAddress: IpAddress;
  /** The nameserver in slots, the tenth address of the services' range: no Service gets it. */
  readonly nameserver: IpAddress;
  /** Longest life of a workload's certificate; `LAMBIENT_SVID_TTL_MS`, default 24 h. */
  readonly svidTtlMs: number;
  /** How long a waypoint stays awake without work; `LAMBIENT_WAYPOINT_IDLE_MS`, default 60 s. */
  readonly waypointIdleMs: number;
  /** What an acknowledged write outlives, the end of the `process` or a loss of `power` too (an fsync a write); `LAMBIENT_DURABILITY`, default `process`. */
  readonly durability: "process" | "power";
  /** Spans kept; `LAMBIENT_SPANS_MAX`, default 100000. */
  readonly spansMax: number;
}

const defaults = {
  ...commonFlags,
  "api-port": "7443",
  "node-range": "10.244.0.0/24",
  "waypoint-range": "10.245.0.0/24",
  "service-range": "10.96.0.0/16",
  "svid-ttl-ms": "86400000",
  "waypoint-idle-ms": "60000",
  durability: "process",
  "spans-max": "100000",
} as const;

type Flag = keyof typeof defaults;
type Texts = Readonly<Record<Flag, string>>;

/** Reads flags and environment. */
export function readConfig(
  argv: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
): Result<Config, readonly string[]> {
  const given = readTexts<Flag>(argv, environment, defaults);
  if (!given.ok) return err([given.error]);
  const texts = given.value;
  const problems: string[] = [];
  const reader = makeReader(texts, problems);
  const config: Config = {
    runDir: reader.path("run-dir"),
    dataDir: reader.path("data-dir"),
    trustDomain: reader.matching("trust-domain", /^[a-z0-9._-]{1,255}$/),
    node: reader.matching("node", /^[a-z0-9][-a-z0-9.]{0,252}$/),
    logLevel: reader.oneOf("log-level", ["debug", "info", "warn", "error"]),
    logFormat: reader.oneOf("log-format", ["text", "json"]),
    apiPort: reader.whole("api-port", 0, 65_535),
    nodeAddress: reader.nth("node-range", 1),
    waypointRange: texts["waypoint-range"],
    edgeAddress: reader.nth("waypoint-range", 1),
    serviceRange: texts["service-range"],
    apiAddress: reader.nth("service-range", 1),
    nameserver: reader.nth("service-range", 10),
    svidTtlMs: reader.whole("svid-ttl-ms", 1000, 365 * 86_400_000),
    waypointIdleMs: reader.whole("waypoint-idle-ms", 1, 86_400_000),
    durability: reader.oneOf("durability", ["process", "power"]),
    spansMax: reader.whole("spans-max", 10, 100_000_000),
  };
  return problems.length > 0 ? err(problems) : ok(config);
}

interface Reader {
  path(name: Flag): string;
  matching(name: Flag, form: RegExp): string;
  oneOf<Word extends string>(name: Flag, words: readonly [Word, ...Word[]]): Word;
  whole(name: Flag, min: number, max: number): number;
  /** The n-th address of a range. */
  nth(name: Flag, offset: number): IpAddress;
}

function makeReader(texts: Texts, problems: string[]): Reader {
  const refuse = (name: Flag, wanted: string): void => {
    const problem = `Cannot read --${name} as ${wanted}: "${texts[name]}"`;
    // More than one field may come from one flag.
    if (!problems.includes(problem)) problems.push(problem);
  };
  return {
    path(name) {
      if (!texts[name].startsWith("/")) refuse(name, "an absolute path");
      return texts[name];
    },
    matching(name, form) {
      if (!form.test(texts[name])) refuse(name, `a name of the form ${form.source}`);
      return texts[name];
    },
    oneOf(name, words) {
      const found = words.find((word) => word === texts[name]);
      if (found === undefined) refuse(name, `one of ${words.join(", ")}`);
      return found ?? words[0];
    },
    whole(name, min, max) {
      const value = /^\d{1,15}$/.test(texts[name]) ? Number(texts[name]) : Number.NaN;
      if (!(value >= min && value <= max)) refuse(name, `a whole number from ${min} to ${max}`);
      return value;
    },
    nth(name, offset) {
      const range = parseCidr(texts[name]);
      if (range.ok && ipBytes(range.value.address).length === 4 && range.value.prefixBits <= 28)
        return addressAt(range.value, offset);
      refuse(name, "an IPv4 range of at least 16 addresses, such as 10.244.0.0/24");
      return "0.0.0.0" as IpAddress; // Sound, and never used: the whole config is refused.
    },
  };
}

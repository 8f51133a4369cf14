/** What `lambient up` is told: flags and environment to one readonly value, or every error at once. Reads nothing else. */
import { type Cidr, cidrContains, formatIp, ipBytes, type IpAddress, parseCidr } from "#core/address/ip.ts";
import { err, ok, type Result } from "#core/result.ts";

/** How a mesh is set up. */
export interface MeshConfig {
  /** Sockets, tokens, the lock; `LAMBIENT_RUN_DIR`, default `/run/lambient`. */
  readonly runDir: string;
  /** The store, bundles, keys, logs; `LAMBIENT_DATA_DIR`, default `/var/lib/lambient`. */
  readonly dataDir: string;
  /** `LAMBIENT_TRUST_DOMAIN`, default `cluster.local`. */
  readonly trustDomain: string;
  /** The node's name; `LAMBIENT_NODE`, default `node-0`. */
  readonly node: string;
  /** Slots, and the node's own first address; `LAMBIENT_NODE_RANGE`, default `10.244.0.0/24`. */
  readonly nodeRange: string;
  /** Waypoints, and the edge's first address; `LAMBIENT_WAYPOINT_RANGE`, default `10.245.0.0/24`. */
  readonly waypointRange: string;
  /** `LAMBIENT_SERVICE_RANGE`, default `10.96.0.0/16`. */
  readonly serviceRange: string;
  /** On 127.0.0.1; 0 takes a free one; `LAMBIENT_API_PORT`, default 7443. */
  readonly apiPort: number;
  /** On 127.0.0.1; 0 takes a free one; `LAMBIENT_EDGE_PORT`, default 8080. */
  readonly edgePort: number;
  /** Slots kept ready; `LAMBIENT_POOL_SIZE`, default 4. */
  readonly poolSize: number;
  /** File that says what images of Pods stand for; `LAMBIENT_IMAGES`, default none. */
  readonly images: string;
  /** Folders of the machine that Pods may mount as hostPath, with commas between; `LAMBIENT_HOST_PATHS`, default none. */
  readonly hostPaths: string;
  readonly logLevel: "debug" | "info" | "warn" | "error";
  readonly logFormat: "text" | "json";
}

/** Flags and environment as text, by the field's name. */
export type RawMeshConfig = Readonly<Partial<Record<keyof MeshConfig, string>>>;

/** Every field's default as text. */
export const meshDefaults: Readonly<Record<keyof MeshConfig, string>> = {
  runDir: "/run/lambient",
  dataDir: "/var/lib/lambient",
  trustDomain: "cluster.local",
  node: "node-0",
  nodeRange: "10.244.0.0/24",
  waypointRange: "10.245.0.0/24",
  serviceRange: "10.96.0.0/16",
  apiPort: "7443",
  edgePort: "8080",
  poolSize: "4",
  images: "",
  hostPaths: "",
  logLevel: "info",
  logFormat: "text",
};

/** The environment's name of a field: `runDir` is `LAMBIENT_RUN_DIR`. */
export function environmentName(field: string): string {
  return `LAMBIENT_${flagName(field).toUpperCase().replaceAll("-", "_")}`;
}

/** The flag's name of a field, without dashes in front: `runDir` is `run-dir`. */
export function flagName(field: string): string {
  return field.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

/** Reads the texts; what is absent takes its default. */
export function parseMeshConfig(raw: RawMeshConfig): Result<MeshConfig, readonly string[]> {
  const errors: string[] = [];
  const text = (field: keyof MeshConfig): string => raw[field] ?? meshDefaults[field];
  const refuse = (field: keyof MeshConfig, wanted: string): void => {
    errors.push(`Cannot read --${flagName(field)} as ${wanted}: "${text(field)}"`);
  };
  const matching = (field: keyof MeshConfig, pattern: RegExp, wanted: string): string => {
    if (!pattern.test(text(field))) refuse(field, wanted);
    return text(field);
  };
  const whole = (field: keyof MeshConfig, least: number, most: number): number => {
    const value = /^\d{1,6}$/.test(text(field)) ? Number(text(field)) : Number.NaN;
    if (!(value >= least && value <= most)) refuse(field, `a whole number from ${least} to ${most}`);
    return value;
  };
  const oneOf = <Word extends string>(field: keyof MeshConfig, words: readonly Word[]): Word => {
    const found = words.find((word) => word === text(field));
    if (found === undefined) refuse(field, `one of ${words.join(", ")}`);
    return found ?? words[0] ?? ("" as Word); // only reached with an error noted
  };
  const domain = /^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$/;
  const config: MeshConfig = {
    // A unix socket's path holds 107 bytes, and the longest name below the folder takes 25.
    runDir: matching("runDir", /^\/.{1,79}$/, "an absolute path of at most 80 characters"),
    dataDir: matching("dataDir", /^\/./, "an absolute path"),
    trustDomain: matching("trustDomain", domain, "a trust domain such as cluster.local"),
    node: matching("node", domain, "a node's name such as node-0"),
    nodeRange: text("nodeRange"),
    waypointRange: text("waypointRange"),
    serviceRange: text("serviceRange"),
    apiPort: whole("apiPort", 0, 65_535),
    edgePort: whole("edgePort", 0, 65_535),
    poolSize: whole("poolSize", 1, 64),
    images: matching("images", /^(\/.*)?$/, "an absolute path"),
    hostPaths: matching("hostPaths", /^(\/[^,]*(,\/[^,]*)*)?$/, "absolute paths with commas between"),
    logLevel: oneOf("logLevel", ["debug", "info", "warn", "error"]),
    logFormat: oneOf("logFormat", ["text", "json"]),
  };
  errors.push(...checkRanges(config), ...checkPorts(config));
  return errors.length > 0 ? err(errors) : ok(config);
}

/** The first usable address of a range: the node's own, the edge's. */
export function firstAddress(range: string): IpAddress {
  const cidr = parseCidr(range);
  if (!cidr.ok) throw new Error(`Cannot take the first address of "${range}": ${cidr.error}`);
  const bytes = Uint8Array.from(ipBytes(cidr.value.address));
  const last = bytes.length - 1;
  bytes[last] = (bytes[last] ?? 0) + 1;
  return formatIp(bytes);
}

/** The half of the node's range whose addresses are the node's own: slots. Pods have the other half, behind links. */
export function slotRange(nodeRange: string): string {
  const cidr = parseCidr(nodeRange);
  if (!cidr.ok) throw new Error(`Cannot halve the range "${nodeRange}": ${cidr.error}`);
  return `${cidr.value.address}/${cidr.value.prefixBits + 1}`;
}

const rangeFields = ["nodeRange", "waypointRange", "serviceRange"] as const;

function checkRanges(config: MeshConfig): string[] {
  const errors: string[] = [];
  const read: { readonly field: (typeof rangeFields)[number]; readonly cidr: Cidr }[] = [];
  for (const field of rangeFields) {
    const cidr = parseCidr(config[field]);
    if (
      !cidr.ok ||
      cidr.value.prefixBits > 28 ||
      cidr.value.prefixBits < 8 ||
      ipBytes(cidr.value.address).length !== 4
    ) {
      errors.push(`Cannot read --${flagName(field)} as an IPv4 range between /8 and /28: "${config[field]}"`);
      continue;
    }
    const other = read.find((known) => overlap(known.cidr, cidr.value));
    if (other !== undefined) {
      const both = `--${flagName(other.field)} ${config[other.field]}`;
      errors.push(
        `Cannot use --${flagName(field)} ${config[field]}: it overlaps ${both}; choose disjoint ranges`,
      );
    }
    read.push({ field, cidr: cidr.value });
  }
  return errors;
}

function checkPorts(config: MeshConfig): string[] {
  if (config.apiPort !== config.edgePort || config.apiPort === 0) return [];
  return [`Cannot use port ${config.apiPort} for both --api-port and --edge-port: choose two`];
}

function overlap(a: Cidr, b: Cidr): boolean {
  return cidrContains(a, b.address) || cidrContains(b, a.address);
}

/** URLs, addresses and address ranges as values of expressions, as Kubernetes adds them to CEL. */
import { isIP, BlockList } from "node:net";
import type { Environment } from "@marcbachmann/cel-js";

/** A URL: absolute, or a path. */
class UrlValue {
  readonly url: URL;
  /** As it was written, with a port that its scheme implies; undefined for a path. */
  readonly host: string | undefined;

  constructor(url: URL, host: string | undefined) {
    this.url = url;
    this.host = host;
  }
}

/** An address. */
class IpValue {
  readonly text: string;
  readonly family: 4 | 6;

  constructor(text: string, family: 4 | 6) {
    this.text = text;
    this.family = family;
  }
}

/** A range of addresses. */
class CidrValue {
  readonly ip: IpValue;
  readonly prefix: number;

  constructor(ip: IpValue, prefix: number) {
    this.ip = ip;
    this.prefix = prefix;
  }
}

/** What stands for `ip` in `ip.isCanonical(…)`. */
class IpNamespace {
  readonly name = "ip";
}

/** Registers them. */
export function registerNetFunctions(registry: Environment): void {
  registerUrls(registry);
  registry.registerType("net.IP", { ctor: IpValue, fields: {} });
  registry.registerType("net.CIDR", { ctor: CidrValue, fields: {} });
  registry.registerOperator(
    "net.IP == net.IP",
    (left: IpValue, right: IpValue) => canonicalIp(left) === canonicalIp(right),
  );
  registry.registerOperator(
    "net.CIDR == net.CIDR",
    (left: CidrValue, right: CidrValue) => cidrText(left) === cidrText(right),
  );
  registerIps(registry);
  registry.registerType("IpNamespace", IpNamespace);
  registry.registerConstant("ip", "IpNamespace", new IpNamespace());
  registry.registerFunction(
    "IpNamespace.isCanonical(string): bool",
    (_: unknown, text: string) =>
      canonicalIp(orFail(parseIp(text), `IP Address ${JSON.stringify(text)} parse error`)) === text,
  );
  registerCidrs(registry);
}

function registerUrls(registry: Environment): void {
  registry.registerType("kubernetes.URL", { ctor: UrlValue, fields: {} });
  registry.registerOperator(
    "kubernetes.URL == kubernetes.URL",
    (left: UrlValue, right: UrlValue) => left.url.href === right.url.href,
  );
  registry.registerFunction("isURL(string): bool", (text: string) => parseUrl(text) !== undefined);
  registry.registerFunction("url(string): kubernetes.URL", (text: string) =>
    orFail(
      parseUrl(text),
      `URL parse error during conversion from string: parse ${JSON.stringify(text)}: invalid URI for request`,
    ),
  );
  const parts: readonly (readonly [string, (url: URL, host: string) => string])[] = [
    ["getScheme", (url) => url.protocol.slice(0, -1)],
    ["getHost", (_, host) => host],
    ["getHostname", (url) => url.hostname.replaceAll(/^\[|\]$/g, "")],
    ["getPort", (_, host) => /:(\d+)$/.exec(host)?.[1] ?? ""],
  ];
  for (const [name, part] of parts) {
    registry.registerFunction(`kubernetes.URL.${name}(): string`, ({ url, host }: UrlValue) =>
      host === undefined ? "" : part(url, host),
    );
  }
  registry.registerFunction("kubernetes.URL.getEscapedPath(): string", ({ url }: UrlValue) => url.pathname);
  registry.registerFunction(
    "kubernetes.URL.getQuery(): map<string, list<string>>",
    ({ url }: UrlValue) =>
      new Map([...url.searchParams.keys()].map((key) => [key, url.searchParams.getAll(key)])),
  );
}

function parseUrl(text: string): UrlValue | undefined {
  const host = /^[a-z][a-z0-9+.-]*:\/\/(?:[^/?#]*@)?([^/?#]*)/i.exec(text)?.[1];
  if (host === undefined && !text.startsWith("/")) return undefined;
  const url = host === undefined ? URL.parse(text, "http://nowhere") : URL.parse(text);
  return url === null ? undefined : new UrlValue(url, host);
}

function registerIps(registry: Environment): void {
  registry.registerFunction("isIP(string): bool", (text: string) => parseIp(text) !== undefined);
  registry.registerFunction("ip(string): net.IP", (text: string) =>
    orFail(parseIp(text), `IP Address ${JSON.stringify(text)} parse error during conversion from string`),
  );
  registry.registerFunction("string(net.IP): string", canonicalIp);
  registry.registerFunction("net.IP.family(): int", ({ family }: IpValue) => BigInt(family));
  const kinds: readonly (readonly [string, readonly string[]])[] = [
    ["isUnspecified", ["0.0.0.0/32", "::/128"]],
    ["isLoopback", ["127.0.0.0/8", "::1/128"]],
    ["isLinkLocalUnicast", ["169.254.0.0/16", "fe80::/10"]],
    ["isLinkLocalMulticast", ["224.0.0.0/24", "ff02::/16"]],
  ];
  for (const [name, ranges] of kinds) {
    const list = ranges.map((range) => orFail(parseCidr(range), range));
    registry.registerFunction(`net.IP.${name}(): bool`, (ip: IpValue) =>
      list.some((range) => contains(range, ip)),
    );
  }
  const special = [
    "0.0.0.0/32",
    "::/128",
    "127.0.0.0/8",
    "::1/128",
    "169.254.0.0/16",
    "fe80::/10",
    "224.0.0.0/4",
    "ff00::/8",
    "255.255.255.255/32",
  ];
  const notGlobal = special.map((range) => orFail(parseCidr(range), range));
  registry.registerFunction(
    "net.IP.isGlobalUnicast(): bool",
    (ip: IpValue) => !notGlobal.some((range) => contains(range, ip)),
  );
}

function registerCidrs(registry: Environment): void {
  registry.registerFunction("isCIDR(string): bool", (text: string) => parseCidr(text) !== undefined);
  registry.registerFunction("cidr(string): net.CIDR", read);
  registry.registerFunction("string(net.CIDR): string", cidrText);
  registry.registerFunction("net.CIDR.containsIP(net.IP): bool", contains);
  registry.registerFunction("net.CIDR.containsIP(string): bool", (range: CidrValue, text: string) =>
    contains(range, readIp(text)),
  );
  registry.registerFunction("net.CIDR.containsCIDR(net.CIDR): bool", containsRange);
  registry.registerFunction("net.CIDR.containsCIDR(string): bool", (range: CidrValue, text: string) =>
    containsRange(range, read(text)),
  );
  registry.registerFunction("net.CIDR.ip(): net.IP", ({ ip }: CidrValue) => ip);
  registry.registerFunction("net.CIDR.prefixLength(): int", ({ prefix }: CidrValue) => BigInt(prefix));
  registry.registerFunction(
    "net.CIDR.masked(): net.CIDR",
    (range: CidrValue) => new CidrValue(firstOf(range), range.prefix),
  );
}

function parseIp(text: string): IpValue | undefined {
  const family = text.includes("%") || /^::ffff:\d+\./i.test(text) ? 0 : isIP(text);
  return family === 4 || family === 6 ? new IpValue(text, family) : undefined;
}

function parseCidr(text: string): CidrValue | undefined {
  const [address = "", length = "", ...rest] = text.split("/");
  const ip = parseIp(address);
  if (ip === undefined || rest.length > 0 || !/^(?:0|[1-9]\d{0,2})$/.test(length)) return undefined;
  const prefix = Number(length);
  return prefix <= bitsOf(ip) ? new CidrValue(ip, prefix) : undefined;
}

function contains(range: CidrValue, ip: IpValue): boolean {
  if (range.ip.family !== ip.family) return false;
  const list = new BlockList();
  const family = ip.family === 4 ? "ipv4" : "ipv6";
  list.addSubnet(range.ip.text, range.prefix, family);
  return list.check(ip.text, family);
}

function containsRange(outer: CidrValue, inner: CidrValue): boolean {
  return inner.prefix >= outer.prefix && contains(outer, inner.ip);
}

function bitsOf({ family }: IpValue): number {
  return family === 4 ? 32 : 128;
}

function canonicalIp({ text, family }: IpValue): string {
  return family === 4 ? text : new URL(`http://[${text}]/`).hostname.slice(1, -1);
}

function cidrText({ ip, prefix }: CidrValue): string {
  return `${canonicalIp(ip)}/${prefix}`;
}

function firstOf({ ip, prefix }: CidrValue): IpValue {
  const bits = BigInt(bitsOf(ip));
  const host = bits - BigInt(prefix);
  return textOfNumber(((numberOf(ip) >> host) << host) & ((1n << bits) - 1n), ip.family);
}

function numberOf(ip: IpValue): bigint {
  if (ip.family === 4) return ip.text.split(".").reduce((sum, part) => (sum << 8n) | BigInt(part), 0n);
  const [head = "", tail] = canonicalIp(ip).split("::");
  const [before, after] = [groups(head), groups(tail ?? "")];
  const middle =
    tail === undefined ? [] : Array.from({ length: 8 - before.length - after.length }, () => "0");
  return [...before, ...middle, ...after].reduce((sum, group) => (sum << 16n) | BigInt(`0x${group}`), 0n);
}

function textOfNumber(value: bigint, family: 4 | 6): IpValue {
  const [count, width, radix, separator] =
    family === 4 ? ([4, 8n, 10, "."] as const) : ([8, 16n, 16, ":"] as const);
  const mask = (1n << width) - 1n;
  const parts = Array.from({ length: count }, (_, i) =>
    ((value >> (width * BigInt(count - 1 - i))) & mask).toString(radix),
  );
  return new IpValue(parts.join(separator), family);
}

function orFail<Value>(value: Value | undefined, message: string): Value {
  if (value === undefined) throw new Error(message);
  return value;
}

function read(text: string): CidrValue {
  return orFail(parseCidr(text), `network address parse error during conversion from string: ${text}`);
}

function readIp(text: string): IpValue {
  return orFail(
    parseIp(text),
    `IP Address ${JSON.stringify(text)} parse error during conversion from string`,
  );
}

function groups(part: string): readonly string[] {
  return part === "" ? [] : part.split(":");
}

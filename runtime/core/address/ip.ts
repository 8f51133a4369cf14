/** IP addresses as canonical text and as bytes, IPv4 and IPv6 (RFC 791, RFC 4291, RFC 5952). */
import { err, ok, type Result } from "#core/result.ts";

/** An address in canonical text: dotted quad, or RFC 5952 for IPv6. */
export type IpAddress = string & { readonly __brand: "IpAddress" };

/** Parses IPv4 or IPv6 text (no zone, no brackets) and makes it canonical. */
export function parseIp(text: string): Result<IpAddress> {
  const bytes = text.includes(":") ? ipv6Bytes(text) : ipv4Bytes(text);
  if (bytes === undefined) return err(`Cannot read an IP address as IPv4 or IPv6: "${text.slice(0, 64)}"`);
  return ok(formatIp(bytes));
}

/** Formats 4 or 16 bytes; an IPv4-mapped IPv6 address becomes its IPv4 form. */
export function formatIp(bytes: Uint8Array): IpAddress {
  const plain = isMapped(bytes) ? bytes.subarray(12) : bytes;
  const text = plain.length === 4 ? plain.join(".") : formatIpv6(plain);
  // Sound: the text was just made in canonical form.
  return text as IpAddress;
}

/** The 4 or 16 bytes of an address in network order. */
export function ipBytes(ip: IpAddress): Uint8Array {
  return (ip.includes(":") ? ipv6Bytes(ip) : ipv4Bytes(ip)) ?? new Uint8Array(4);
}

/** An address range. */
export interface Cidr {
  readonly address: IpAddress;
  readonly prefixBits: number;
}

/** Parses `a.b.c.d/n`, IPv6 likewise; a bare address is a range of one. */
export function parseCidr(text: string): Result<Cidr> {
  const [base = "", bits, ...rest] = text.split("/");
  const address = parseIp(base);
  if (!address.ok) return address;
  const widest = address.value.includes(":") ? 128 : 32;
  const prefixBits = bits === undefined ? widest : Number(bits);
  const written = bits === undefined || /^(0|[1-9]\d{0,2})$/.test(bits);
  if (rest.length > 0 || !written || prefixBits > widest) {
    return err(`Cannot read a range as address/prefix length: "${text.slice(0, 64)}"`);
  }
  return ok({ address: address.value, prefixBits });
}

/** Whether the range holds the address; families never match each other. */
export function cidrContains(cidr: Cidr, ip: IpAddress): boolean {
  const range = ipBytes(cidr.address);
  const bytes = ipBytes(ip);
  if (range.length !== bytes.length) return false;
  const whole = cidr.prefixBits >> 3;
  for (let i = 0; i < whole; i++) if (range[i] !== bytes[i]) return false;
  const restBits = cidr.prefixBits & 7;
  if (restBits === 0) return true;
  const mask = (0xff << (8 - restBits)) & 0xff;
  return ((range[whole] ?? 0) & mask) === ((bytes[whole] ?? 0) & mask);
}

function ipv4Bytes(text: string): Uint8Array | undefined {
  const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text);
  if (match === null) return undefined;
  const parts = match.slice(1);
  if (parts.some((part) => Number(part) > 255 || (part.length > 1 && part.startsWith("0")))) return undefined;
  return Uint8Array.from(parts, Number);
}

function ipv6Bytes(text: string): Uint8Array | undefined {
  const halves = text.length <= 45 ? text.split("::") : [];
  if (halves.length === 0 || halves.length > 2) return undefined;
  const head = groups(halves[0] ?? "", halves.length === 1);
  const tail = halves.length === 2 ? groups(halves[1] ?? "", true) : [];
  if (head === undefined || tail === undefined) return undefined;
  const missing = 8 - head.length - tail.length;
  if (halves.length === 2 ? missing < 1 : missing !== 0) return undefined;
  const all = [...head, ...Array.from({ length: missing }, () => 0), ...tail];
  return Uint8Array.from(all.flatMap((group) => [group >> 8, group & 0xff]));
}

function groups(text: string, mayEndInIpv4: boolean): number[] | undefined {
  if (text === "") return [];
  const parts = text.split(":");
  const out: number[] = [];
  for (const [i, part] of parts.entries()) {
    if (mayEndInIpv4 && i === parts.length - 1 && part.includes(".")) {
      const four = ipv4Bytes(part);
      if (four === undefined) return undefined;
      out.push(((four[0] ?? 0) << 8) | (four[1] ?? 0), ((four[2] ?? 0) << 8) | (four[3] ?? 0));
    } else if (/^[0-9a-fA-F]{1,4}$/.test(part)) {
      out.push(Number.parseInt(part, 16));
    } else {
      return undefined;
    }
  }
  return out;
}

function isMapped(bytes: Uint8Array): boolean {
  return (
    bytes.length === 16 &&
    bytes[10] === 0xff &&
    bytes[11] === 0xff &&
    bytes.subarray(0, 10).every((byte) => byte === 0)
  );
}

function formatIpv6(bytes: Uint8Array): string {
  const words = Array.from({ length: 8 }, (_, i) => ((bytes[2 * i] ?? 0) << 8) | (bytes[2 * i + 1] ?? 0));
  let best = { start: -1, length: 1 };
  for (let start = 0; start < 8; start++) {
    let length = 0;
    while (start + length < 8 && words[start + length] === 0) length++;
    if (length > best.length) best = { start, length };
  }
  const hex = words.map((word) => word.toString(16));
  if (best.start < 0) return hex.join(":");
  return `${hex.slice(0, best.start).join(":")}::${hex.slice(best.start + best.length).join(":")}`;
}

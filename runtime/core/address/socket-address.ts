/** An IP address with a port, as `ip:port` or `[ip]:port`. */
import { err, ok, type Result } from "#core/result.ts";
import { type IpAddress, parseIp } from "./ip.ts";

/** An address a connection can be made to. */
export interface SocketAddress {
  readonly ip: IpAddress;
  readonly port: number;
}

/** Formats as `ip:port`; IPv6 in brackets. */
export function formatSocketAddress(address: SocketAddress): string {
  return address.ip.includes(":") ? `[${address.ip}]:${address.port}` : `${address.ip}:${address.port}`;
}

const bracketedForm = /^\[([0-9a-fA-F.]*:[0-9a-fA-F:.]*)\]:([1-9]\d{0,4})$/;
const plainForm = /^([0-9.]+):([1-9]\d{0,4})$/;

/** Parses `ip:port` or `[ipv6]:port`, port 1–65535. */
export function parseSocketAddress(text: string): Result<SocketAddress> {
  const match = text.length <= 64 ? (bracketedForm.exec(text) ?? plainForm.exec(text)) : null;
  const ip = parseIp(match?.[1] ?? "");
  const port = Number(match?.[2]);
  if (!ip.ok || !(port <= 65535)) return err(`Cannot read an address as ip:port: "${text.slice(0, 64)}"`);
  return ok({ ip: ip.value, port });
}

/** What a CONNECT asks for: an address and port, or a service's name and port (RFC 9110 §9.3.6). */
import { formatSocketAddress, parseSocketAddress, type SocketAddress } from "#core/address/socket-address.ts";
import { err, ok, type Result } from "#core/result.ts";

/** The destination inside a tunnel. */
export type Authority =
  | { readonly kind: "address"; readonly address: SocketAddress }
  | { readonly kind: "name"; readonly hostname: string; readonly port: number };

/** DNS names in lower case, as RFC 1123 allows them; the last label has a letter, or it would be a bad IPv4 address. */
const namePattern =
  /^(?=[^:]{1,253}:)((?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)*(?=[a-z0-9-]*[a-z])[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?):([1-9]\d{0,4})$/;

/** Parses `ip:port`, `[ipv6]:port` or `name:port`; a name is made lower-case. */
export function parseAuthority(text: string): Result<Authority> {
  const address = parseSocketAddress(text);
  if (address.ok) return ok({ kind: "address", address: address.value });
  const match = text.length <= 260 ? namePattern.exec(text.toLowerCase()) : null;
  const port = Number(match?.[2]);
  if (match?.[1] !== undefined && port <= 65_535) return ok({ kind: "name", hostname: match[1], port });
  return err(`Cannot read an authority as ip:port or name:port: "${text.slice(0, 100)}"`);
}

/** Formats an authority as it stands in `:authority`. */
export function formatAuthority(authority: Authority): string {
  return authority.kind === "address"
    ? formatSocketAddress(authority.address)
    : `${authority.hostname}:${authority.port}`;
}

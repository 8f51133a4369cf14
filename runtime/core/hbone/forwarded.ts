/** The `forwarded` field as Istio's tunnels use it (RFC 7239's grammar, two parameters of it): where a connection came from. */
import { formatSocketAddress, parseSocketAddress, type SocketAddress } from "#core/address/socket-address.ts";

/** Where the tunnelled connection came from, and the service it asked for. */
export interface Forwarded {
  readonly for: SocketAddress;
  readonly host?: string;
}

const pattern = /^for="([^"]{1,64})"(?:;host=([A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?))?$/;

/** Formats the field. */
export function formatForwarded(forwarded: Forwarded): string {
  const host = forwarded.host === undefined ? "" : `;host=${forwarded.host}`;
  return `for="${formatSocketAddress(forwarded.for)}"${host}`;
}

/** Reads the field; undefined when it is absent or malformed: it informs, nothing depends on it. */
export function readForwarded(value: string | undefined): Forwarded | undefined {
  const match = pattern.exec(value ?? "");
  const address = parseSocketAddress(match?.[1] ?? "");
  if (!address.ok) return undefined;
  const host = match?.[2];
  return host === undefined ? { for: address.value } : { for: address.value, host };
}

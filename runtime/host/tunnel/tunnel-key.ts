/** What a pooled tunnel is found by; the tunnels themselves are the pool's. */
import type { IpAddress } from "#core/address/ip.ts";
import { formatSocketAddress, type SocketAddress } from "#core/address/socket-address.ts";
import type { SpiffeId } from "#core/identity/spiffe-id.ts";

/** What makes two connections able to share a tunnel: all of it equal. */
export interface TunnelKey {
  readonly source: SpiffeId;
  readonly sourceAddress: IpAddress;
  /** Identities the destination may show, as a set: order does not matter. */
  readonly destinations: readonly SpiffeId[];
  readonly destinationAddress: SocketAddress;
}

/** The same text for equal keys, another for every other. */
export function tunnelKeyText(key: TunnelKey): string {
  const destinations =
    key.destinations.length > 1 ? key.destinations.toSorted().join(",") : key.destinations[0];
  return `${key.source} ${key.sourceAddress} ${formatSocketAddress(key.destinationAddress)} ${destinations}`;
}

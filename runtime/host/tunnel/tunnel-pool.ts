/** Shares tunnels between connections of the same source to the same destination; never between two sources. */
import type { IpAddress } from "#core/address/ip.ts";
import type { SocketAddress } from "#core/address/socket-address.ts";
import type { HeaderField } from "#core/h2/header-field.ts";
import type { SpiffeId } from "#core/identity/spiffe-id.ts";
import type { TunnelDial } from "./open-tunnel.ts";
import type { TunnelLimits } from "./tunnel-limits.ts";
import type { ConnectOutcome, TunnelCertificate } from "./tunnel.ts";

/** What makes two connections able to share a tunnel: all of it equal. */
export interface TunnelKey {
  readonly source: SpiffeId;
  readonly sourceAddress: IpAddress;
  /** Identities the destination may show, as a set: order does not matter. */
  readonly destinations: readonly SpiffeId[];
  readonly destinationAddress: SocketAddress;
}

/** How the pool makes a new tunnel for a key, asked when it needs one. */
export interface TunnelRoute {
  readonly certificate: TunnelCertificate;
  readonly dial: () => TunnelDial | Promise<TunnelDial>;
}

/** Limits of a pool. */
export interface TunnelPoolOptions {
  /** Streams on one tunnel before another is made, 100; the peer's own limit holds as well. */
  readonly streamsPerTunnelMax?: number;
  /** Tunnels for one key, 16. */
  readonly tunnelsPerKeyMax?: number;
  /** Tunnels in the whole pool, 4096. */
  readonly tunnelsMax?: number;
  /** How long a tunnel without streams is kept, 5 minutes. */
  readonly idleReleaseMs?: number;
  readonly limits?: Partial<TunnelLimits>;
}

/** Tunnels by key. */
export interface TunnelPool {
  readonly tunnelsOpen: number;
  /**
   * Opens a stream on a tunnel of the key, making the tunnel when there is none with room.
   * Tries once more when the peer never processed the stream.
   * @throws TunnelError (rejects), as `openTunnel` and `Tunnel.connect` do, or `exhausted` at a limit.
   */
  connect(key: TunnelKey, route: TunnelRoute, headers: readonly HeaderField[]): Promise<ConnectOutcome>;
  /** Drains the tunnels whose key matches (GOAWAY, close after the last stream): a renewed certificate, a changed route. */
  drain(matches: (key: TunnelKey) => boolean): void;
  /** Closes the tunnels whose key matches at once: the release of a source or a destination. */
  close(matches: (key: TunnelKey) => boolean): void;
}

/** Makes an empty pool. */
export declare function makeTunnelPool(options?: TunnelPoolOptions): TunnelPool;

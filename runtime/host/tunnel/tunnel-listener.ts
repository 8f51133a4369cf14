/** A TCP listener whose connections become tunnels, each with the certificate of the address it was meant for. */
import type { SocketAddress } from "#core/address/socket-address.ts";
import type { ServeTunnelOptions } from "./serve-tunnel.ts";

/** Where to listen: an address, or a listening socket made elsewhere. */
export type ListenTarget =
  | { readonly kind: "address"; readonly hostname: string; readonly port: number }
  | { readonly kind: "fd"; readonly fd: number };

/** What a listener needs to know of each connection before TLS. */
export interface TunnelListenerOptions {
  readonly target: ListenTarget;
  /**
   * Chooses how to serve a connection by the address it was accepted on, in the same turn.
   * Undefined closes it before TLS.
   */
  readonly choose: (
    localAddress: SocketAddress,
    peerAddress: SocketAddress,
  ) => ServeTunnelOptions | undefined;
}

/** A listener that runs. */
export interface TunnelListener {
  /** Undefined when the listener was made elsewhere (`fd`). */
  readonly port: number | undefined;
  /** Stops accepting and sends GOAWAY on every tunnel; they close after their last stream. */
  drain(): void;
  /** Stops accepting and closes every tunnel now. */
  close(): void;
}

/** Starts listening. @throws when the address cannot be bound. */
export declare function listenTunnels(options: TunnelListenerOptions): TunnelListener;

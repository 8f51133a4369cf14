/** The server's end of a tunnel on an accepted TCP socket: TLS, the caller's identity, HTTP/2; not the listener. */
import type { Socket } from "bun";
import type { TunnelLimits } from "./tunnel-limits.ts";
import type { ServedTunnel, TunnelCertificate, TunnelRequest, TunnelResponder } from "./tunnel.ts";
import type { TunnelError } from "./tunnel-error.ts";

/** How an accepted connection is served. */
export interface ServeTunnelOptions {
  /** What is shown for the workload the connection is meant for. */
  readonly certificate: TunnelCertificate;
  /** Called for each CONNECT; everything else is answered 400. */
  readonly onConnect: (request: TunnelRequest, responder: TunnelResponder) => void;
  /** Called once when the connection is over; with the reason when that was a failure (handshake, identity, protocol). */
  readonly onClose?: (error: TunnelError | undefined) => void;
  readonly limits?: Partial<TunnelLimits>;
}

/**
 * Serves a tunnel on a raw socket, in the same turn as its `open` callback.
 * The socket's listener must be made with `tunnelListenerHandlers` of `./tunnel-listener.ts`.
 */
export declare function serveTunnel(socket: Socket<unknown>, options: ServeTunnelOptions): ServedTunnel;

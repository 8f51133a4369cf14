/** A TCP listener whose connections become tunnels, each with the certificate of the address it was meant for. */
import type { Socket, SocketHandler, TCPSocketListener } from "bun";
import type { SocketAddress } from "#core/address/socket-address.ts";
import { serveTunnel, type ServeTunnelOptions } from "./serve-tunnel.ts";
import { localAddressOf, peerAddressOf } from "./socket-address.ts";
import { TunnelError } from "./tunnel-error.ts";
import type { ServedTunnel } from "./tunnel.ts";

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
  /** Told what `choose` threw, which it should not; the connection is closed. */
  readonly onError?: (error: unknown) => void;
  /** Connections served at once, 4096; further ones are closed before TLS. */
  readonly tunnelsMax?: number;
}

/** A listener that runs. */
export interface TunnelListener {
  /** Undefined when the listener was made elsewhere (`fd`). */
  readonly port: number | undefined;
  readonly tunnelsOpen: number;
  /** Stops accepting and sends GOAWAY on every tunnel; they close after their last stream. */
  drain(): void;
  /** Stops accepting and closes every tunnel now. */
  close(): void;
}

const tunnelsMaxDefault = 4096;

/** Starts listening. @throws when the address cannot be bound. */
export function listenTunnels(options: TunnelListenerOptions): TunnelListener {
  const tunnels = new Set<ServedTunnel>();
  const tunnelsMax = options.tunnelsMax ?? tunnelsMaxDefault;
  const listener = listenRaw(options.target, (socket) => {
    const chosen = tunnels.size < tunnelsMax ? chooseFor(socket, options) : undefined;
    if (chosen === undefined) {
      socket.terminate();
      return;
    }
    const tunnel = serveTunnel(socket, {
      ...chosen,
      onClose: (error) => {
        tunnels.delete(tunnel);
        chosen.onClose?.(error);
      },
    });
    tunnels.add(tunnel);
  });
  return {
    port: options.target.kind === "address" ? listener.port : undefined,
    get tunnelsOpen() {
      return tunnels.size;
    },
    drain() {
      listener.stop();
      for (const tunnel of tunnels) tunnel.drain();
    },
    close() {
      listener.stop();
      for (const tunnel of tunnels) tunnel.close();
    },
  };
}

/** A peer may be gone before it was looked at; then there is nobody to serve. */
function chooseFor(socket: Socket<unknown>, options: TunnelListenerOptions): ServeTunnelOptions | undefined {
  try {
    return options.choose(localAddressOf(socket), peerAddressOf(socket));
  } catch (error) {
    if (!(error instanceof TunnelError)) options.onError?.(error);
    return undefined;
  }
}

function listenRaw(target: ListenTarget, onOpen: (socket: Socket<unknown>) => void): TCPSocketListener {
  // No `data` handler on purpose: with one the engine would hand over every encrypted byte as well.
  const socket: SocketHandler = { open: onOpen, drain: ignore, close: ignore, error: ignore };
  if (target.kind === "address") return Bun.listen({ hostname: target.hostname, port: target.port, socket });
  // Sound: descriptors are taken by `listen` itself, only its types lack an overload for them.
  return Bun.listen({ fd: target.fd, socket } as unknown as {
    hostname: string;
    port: number;
    socket: typeof socket;
  });
}

function ignore(): void {
  // The upgraded socket is told as well, and its tunnel acts.
}

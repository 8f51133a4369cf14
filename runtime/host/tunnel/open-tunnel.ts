/** The client's end of a tunnel: dials, shows its certificate, checks the server's identity; not the pool. */
import type { SocketHandler } from "bun";
import type { SpiffeId } from "#core/identity/spiffe-id.ts";
import { type Clock, systemClock } from "../clock.ts";
import { ClientTunnel } from "./client-tunnel.ts";
import { checkServer } from "./peer-identity.ts";
import { clientTlsOptions } from "./tls-options.ts";
import { TunnelError } from "./tunnel-error.ts";
import type { TunnelLimits } from "./tunnel-limits.ts";
import type { Tunnel, TunnelCertificate } from "./tunnel.ts";

/** How the TCP connection comes about. */
export type TunnelDial =
  /** Dials from this process's own network namespace and any address. */
  | { readonly kind: "address"; readonly hostname: string; readonly port: number }
  /** Adopts a non-blocking TCP socket made elsewhere, connected or still connecting; it belongs to the tunnel now. */
  | { readonly kind: "fd"; readonly fd: number };

/** What is needed to open a tunnel. */
export interface OpenTunnelOptions {
  readonly dial: TunnelDial;
  readonly certificate: TunnelCertificate;
  /** The server must show one of these; an empty set refuses everybody. */
  readonly expectedPeers: ReadonlySet<SpiffeId>;
  readonly limits?: Partial<TunnelLimits>;
  readonly clock?: Clock;
}

/**
 * Opens a tunnel; resolves once the server's identity has been checked.
 * @throws TunnelError (rejects) with code connect, tls, identity or timeout.
 */
export function openTunnel(options: OpenTunnelOptions): Promise<Tunnel> {
  return new Promise((resolve, reject) => {
    const tunnel = new ClientTunnel(options.limits ?? {}, options.clock ?? systemClock);
    tunnel.onClose((error) => {
      reject(error ?? new TunnelError("closed", "Cannot open the tunnel: it was closed"));
    });
    const socket = handlerOf(tunnel, options.expectedPeers, resolve);
    const tls = clientTlsOptions(options.certificate);
    const { dial } = options;
    const connecting =
      dial.kind === "fd"
        ? // Sound: descriptors are taken by `connect` itself, only its types lack an overload for them.
          Bun.connect({ fd: dial.fd, tls, socket } as unknown as Parameters<typeof Bun.connect>[0])
        : Bun.connect({ hostname: dial.hostname, port: dial.port, tls, socket });
    connecting.catch((error: unknown) => tunnel.session.fail(connectError(error)));
  });
}

function handlerOf(
  tunnel: ClientTunnel,
  expectedPeers: ReadonlySet<SpiffeId>,
  onOpen: (tunnel: Tunnel) => void,
): SocketHandler {
  const { session } = tunnel;
  return {
    open: (socket) => session.attach(socket),
    handshake: (socket, isVerified, error) => {
      session.attach(socket);
      const peer = checkServer(socket, { isVerified, error }, expectedPeers);
      if (!peer.ok) {
        session.fail(peer.error);
        return;
      }
      tunnel.open(socket, peer.value);
      onOpen(tunnel);
    },
    data: (_socket, bytes) => session.onSocketData(bytes),
    drain: () => session.onSocketDrain(),
    error: (_socket, error) => session.onSocketError(error),
    connectError: (_socket, error) => session.fail(connectError(error)),
    close: (_socket, error) => session.onSocketClose(error),
  };
}

function connectError(cause: unknown): TunnelError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new TunnelError("connect", `Cannot connect to the tunnel's other end: ${reason}`, { cause });
}

/** The client's end of a tunnel: dials, shows its certificate, checks the server's identity; not the pool. */
import type { SpiffeId } from "#core/identity/spiffe-id.ts";
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
}

/**
 * Opens a tunnel; resolves once the server's identity has been checked.
 * @throws TunnelError (rejects) with code connect, tls, identity or timeout.
 */
export declare function openTunnel(options: OpenTunnelOptions): Promise<Tunnel>;

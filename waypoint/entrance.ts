/** Where callers come in: the tunnel listener of a waypoint, or the edge's plain one. */
import { soleRevision } from "#core/routing/decide-route.ts";
import type { ServiceEntry } from "#core/routing/service-table.ts";
import type { SpiffeId } from "#core/identity/spiffe-id.ts";
import type { CertificateSource } from "#host/certificates/certificate-source.ts";
import type { Log } from "#host/log.ts";
import type { TunnelError } from "#host/tunnel/tunnel-error.ts";
import { listenStreams } from "#host/tunnel/socket-stream.ts";
import { listenTunnels } from "#host/tunnel/tunnel-listener.ts";
import { acceptOutside } from "./accept-outside.ts";
import { decideCaller } from "./authorize.ts";
import { policiesOf } from "./configuration.ts";
import type { Caller } from "./exchange.ts";
import type { InstanceLeases } from "./instance-leases.ts";
import type { Self } from "./self.ts";
import { terminate, type TerminateOptions } from "./terminate.ts";

/** An open entrance. */
export interface Entrance {
  /** Undefined when the listener was made elsewhere. */
  readonly port: number | undefined;
  /** Tunnels that have not ended. */
  readonly tunnelsOpen: number;
  /** Accepts nothing more; tunnels end after their streams. */
  drain(): void;
  close(): void;
}

/** What an entrance needs. */
export interface EntranceOptions extends Pick<
  TerminateOptions,
  "snapshot" | "connections" | "exchanges" | "run" | "passThroughs" | "clock"
> {
  readonly own: SpiffeId;
  readonly certificates: CertificateSource;
  readonly leases: InstanceLeases;
  readonly log: Log;
}

/** Starts accepting. @throws when the address cannot be bound. */
export function openEntrance(self: Self, options: EntranceOptions): Entrance {
  return self.kind === "edge" ? openOutside(self, options) : openTunnels(self, options);
}

function openOutside(self: Self, options: EntranceOptions): Entrance {
  const listener = listenStreams(self.listen, (stream) => acceptOutside(stream, options));
  const stop = (): void => listener.close();
  return { port: listener.port, tunnelsOpen: 0, drain: stop, close: stop };
}

function openTunnels(self: Self, options: EntranceOptions): Entrance {
  const { own, certificates, leases, log, snapshot } = options;
  const onCaller = (caller: Caller, service: ServiceEntry): void => {
    const only = soleRevision(service.routes);
    if (only === undefined) return;
    const verdict = decideCaller(caller, service, policiesOf(snapshot(), service));
    if (verdict.kind === "allowed") leases.warm(only);
  };
  const listener = listenTunnels({
    target: self.listen,
    choose(_, peer) {
      const certificate = certificates.peek(own);
      if (certificate === undefined) return undefined;
      return {
        certificate,
        onConnect: (request, responder) =>
          terminate(request, responder, {
            ...options,
            onCaller,
            onRefused: ({ authority, peer: caller }, status, reason) =>
              log.warn("connect refused", { authority, caller, status, reason }),
          }),
        onClose: (error: TunnelError | undefined) => {
          if (error !== undefined)
            log.debug("tunnel failed", { peer: peer.ip, code: error.code, error: error.message });
        },
      };
    },
  });
  return {
    port: listener.port,
    get tunnelsOpen() {
      return listener.tunnelsOpen;
    },
    drain: () => listener.drain(),
    close: () => listener.close(),
  };
}

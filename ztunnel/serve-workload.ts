/** Opens what a local workload is served by: the capture of its own connections, the listener for tunnels to it, its name server. */
import type { IpAddress } from "#core/address/ip.ts";
import { tunnelPort } from "#core/mesh/gateway-ref.ts";
import { putSocket } from "#host/linux/bpf.ts";
import { sealedSlotListener } from "#host/linux/sk-lookup.ts";
import { startListen } from "#host/linux/sockets.ts";
import { listenStreams } from "#host/tunnel/socket-stream.ts";
import { listenTunnels, type TunnelListener } from "#host/tunnel/tunnel-listener.ts";
import { chooseTunnel } from "./choose-tunnel.ts";
import { openDnsServer } from "./dns-server.ts";
import type { DnsUpstream } from "#host/dns/dns-upstream.ts";
import type { LocalWorkload } from "./local-workload.ts";
import { carryOutbound } from "./outbound.ts";
import { makeOutsideNames } from "./outside-names.ts";
import type { Parts } from "./parts.ts";
import { reusePortsSoon } from "./reach.ts";

/** A workload that is served. */
export interface ServedWorkload {
  readonly workload: LocalWorkload;
  /** Puts the capture's listener into a map anew, after its owner made another. */
  capture(mapFd: number): void;
  /** Takes no more connections; those that are open go on, peers are told by GOAWAY. */
  drain(): void;
  /** Ends everything now. */
  close(reason: string): void;
}

/** How a workload is served. */
export interface ServeOptions {
  /** The map of the capture's program. */
  readonly mapFd: number;
  /** The address that its resolver asks. */
  readonly nameserver: IpAddress;
  readonly upstream: DnsUpstream;
}

const loopback = "127.0.0.1" as IpAddress;

/** Starts serving. @throws LinuxError when a listener cannot be made; nothing is left open then. */
export function serveWorkload(parts: Parts, workload: LocalWorkload, options: ServeOptions): ServedWorkload {
  const closers: (() => void)[] = [];
  const { libc } = parts;
  try {
    reusePortsSoon(libc, workload.namespaceFd);
    const names = makeOutsideNames(() => parts.clock.monotonicMs());
    // The address does not matter to the capture; on loopback nobody else's connections can be mistaken for captured ones.
    const captureFd = startListen(libc, workload.namespaceFd, { address: loopback, port: 0 });
    const capture = listenStreams({ kind: "fd", fd: captureFd }, (stream) =>
      carryOutbound(parts, { workload, stream, names }),
    );
    closers.push(() => capture.close());
    const inbound = listenInbound(parts, workload);
    closers.push(() => inbound.close());
    const { nameserver, upstream } = options;
    const server = { workload, upstream, names, waiting: 0 };
    closers.push(openDnsServer(parts, server, nameserver));
    putSocket(libc, options.mapFd, sealedSlotListener, captureFd);
    parts.metrics.proxiesStarted.add();
    return {
      workload,
      capture: (mapFd) => putSocket(libc, mapFd, sealedSlotListener, captureFd),
      drain() {
        capture.close();
        inbound.drain();
      },
      close(reason) {
        parts.metrics.proxiesStopped.add();
        // The connections first, so that each ends with this reason and not with its tunnel's.
        parts.ledger.cutAll(reason, workload.uid);
        parts.pool.close((key) => key.sourceAddress === workload.address);
        for (const close of closers) close();
      },
    };
  } catch (error) {
    for (const close of closers) close();
    throw error;
  }
}

/** One listener a workload, on its own address in our namespace: an address that is nobody's refuses by itself. */
function listenInbound(parts: Parts, workload: LocalWorkload): TunnelListener {
  const { libc } = parts;
  const at = { address: workload.address, port: tunnelPort };
  const fd = startListen(libc, libc.homeNamespace, at, { freeBind: true });
  return listenTunnels({
    target: { kind: "fd", fd },
    choose: (local, peer) => chooseTunnel(parts, workload, local, peer),
  });
}

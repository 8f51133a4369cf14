/** Opens what a Pod is served by, inside its network: the captures of what leaves and of what comes in plain, the listener for tunnels, its name server. */
import type { IpAddress } from "#core/address/ip.ts";
import { tunnelPort } from "#core/mesh/gateway-ref.ts";
import { putSocket } from "#host/linux/bpf.ts";
import { closeFd } from "#host/linux/libc.ts";
import { podListeners } from "#host/linux/pod-marks.ts";
import { startListen } from "#host/linux/sockets.ts";
import { listenStreams } from "#host/tunnel/socket-stream.ts";
import { listenTunnels, type TunnelListener } from "#host/tunnel/tunnel-listener.ts";
import { chooseTunnel } from "./choose-tunnel.ts";
import type { NameServer } from "./answer-name.ts";
import { openCapturedNames, serveNameStreams } from "./dns-server.ts";
import type { DnsUpstream } from "#host/dns/dns-upstream.ts";
import { passInbound } from "./inbound-passthrough.ts";
import { carryOutbound } from "./outbound.ts";
import { makeOutsideNames } from "./outside-names.ts";
import type { Parts } from "./parts.ts";
import type { PodWorkload } from "./pod-workload.ts";
import { podSocket, reusePortsSoon } from "./reach.ts";

/** How a Pod is captured. */
export interface PodCapture {
  /** The map of the capture's program. */
  readonly mapFd: number;
  /** Whether policies hold for what comes in plain; it is carried in either case, since the Pod's own answers would be captured. */
  readonly capturesInbound: boolean;
  /** Whether its name queries are answered here. */
  readonly capturesDns: boolean;
}

/** A Pod that is served. */
export interface ServedPod {
  readonly workload: PodWorkload;
  /** Puts the listeners into a map, the first or another. @throws LinuxError */
  capture(capture: PodCapture): void;
  /** Takes no more connections; those that are open go on, peers are told by GOAWAY. */
  drain(): void;
  /** Ends everything now. */
  close(reason: string): void;
}

/** What of serving does not change. */
export interface ServePodOptions {
  /** The address that its resolver asks. */
  readonly nameserver: IpAddress;
  readonly upstream: DnsUpstream;
}

/** Istio's ports, and where the node's program looks for each. */
const outbound = { port: 15001, slot: podListeners.outbound } as const;
const plainInbound = { port: 15006, slot: podListeners.inbound } as const;
const tunnels = { port: tunnelPort, slot: podListeners.tunnels } as const;

/** How long after a failure the certificate is asked for again. */
const certificateRetryMs = 1000;

/** Starts listening; nothing is captured yet. @throws LinuxError when a listener cannot be made; nothing is left open then. */
export function servePod(parts: Parts, workload: PodWorkload, options: ServePodOptions): ServedPod {
  const pod = new Served(parts, workload, options);
  parts.metrics.proxiesStarted.add();
  return pod;
}

/** Descriptors of listening sockets. */
interface PodListeners {
  readonly outbound: number;
  readonly plainInbound: number;
  readonly tunnels: number;
}

class Served implements ServedPod {
  readonly workload: PodWorkload;
  readonly #parts: Parts;
  readonly #server: NameServer;
  readonly #nameserver: IpAddress;
  readonly #fds: PodListeners;
  readonly #stops: (() => void)[] = [];
  #tunnels: TunnelListener | undefined;
  #closeNames: (() => void) | undefined;
  #isOpen = true;
  #isDraining = false;
  #isPlainDecided = true;

  constructor(parts: Parts, workload: PodWorkload, { nameserver, upstream }: ServePodOptions) {
    this.#parts = parts;
    this.workload = workload;
    const names = makeOutsideNames(() => parts.clock.monotonicMs());
    this.#server = { workload, upstream, names, waiting: 0 };
    this.#nameserver = nameserver;
    const serveNames = serveNameStreams(parts, this.#server);
    const isForNames = (to: { readonly ip: IpAddress; readonly port: number }): boolean =>
      this.#closeNames !== undefined && to.port === 53 && to.ip === nameserver;
    reusePortsSoon(parts.libc, workload.namespaceFd);
    this.#fds = this.#listen();
    const outward = listenStreams({ kind: "fd", fd: this.#fds.outbound }, (stream) => {
      if (isForNames(stream.localAddress)) serveNames(stream);
      else carryOutbound(parts, { workload, stream, names });
    });
    const inward = listenStreams({ kind: "fd", fd: this.#fds.plainInbound }, (stream) =>
      passInbound(parts, { workload, stream, isDecided: this.#isPlainDecided }),
    );
    this.#stops.push(
      () => outward.close(),
      () => inward.close(),
    );
    void this.#acceptTunnels();
  }

  capture({ mapFd, capturesInbound, capturesDns }: PodCapture): void {
    const { libc } = this.#parts;
    if (capturesDns) this.#openNames();
    else this.#stopNames();
    this.#isPlainDecided = capturesInbound;
    putSocket(libc, mapFd, plainInbound.slot, this.#fds.plainInbound);
    putSocket(libc, mapFd, tunnels.slot, this.#fds.tunnels);
    putSocket(libc, mapFd, outbound.slot, this.#fds.outbound);
  }

  drain(): void {
    this.#isDraining = true;
    for (const stop of this.#stops.splice(0)) stop();
    this.#tunnels?.drain();
  }

  close(reason: string): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    const { metrics, ledger, pool, libc } = this.#parts;
    metrics.proxiesStopped.add();
    // The connections first, so that each ends with this reason and not with its tunnel's.
    ledger.cutAll(reason, this.workload.uid);
    pool.close((key) => key.sourceAddress === this.workload.address);
    for (const stop of this.#stops.splice(0)) stop();
    this.#stopNames();
    if (this.#tunnels === undefined) closeFd(libc, this.#fds.tunnels);
    else this.#tunnels.close();
  }

  /** Questions by TCP are captured with all that leaves. */
  #openNames(): void {
    const socket = { address: this.#nameserver, options: podSocket };
    this.#closeNames ??= openCapturedNames(this.#parts, this.#server, socket);
  }

  #stopNames(): void {
    this.#closeNames?.();
    this.#closeNames = undefined;
  }

  #listen(): PodListeners {
    const { libc } = this.#parts;
    const open: number[] = [];
    const listen = (port: number): number => {
      const at = { address: anyAddress, port };
      const fd = startListen(libc, this.workload.namespaceFd, at, podSocket);
      open.push(fd);
      return fd;
    };
    try {
      return {
        outbound: listen(outbound.port),
        plainInbound: listen(plainInbound.port),
        tunnels: listen(tunnels.port),
      };
    } catch (error) {
      for (const fd of open) closeFd(libc, fd);
      throw error;
    }
  }

  /** A tunnel that comes before there is a certificate to show waits in the listener's queue. */
  async #acceptTunnels(): Promise<void> {
    while (this.#isOpen && !(await this.#isCertified())) await Bun.sleep(certificateRetryMs);
    if (!this.#isOpen || this.#isDraining) return;
    this.#tunnels = listenTunnels({
      target: { kind: "fd", fd: this.#fds.tunnels },
      choose: (local, peer) => chooseTunnel(this.#parts, this.workload, local, peer),
    });
  }

  async #isCertified(): Promise<boolean> {
    try {
      await this.#parts.certificates.get(this.workload.identity);
      return true;
    } catch {
      return false; // whoever keeps certificates has told why
    }
  }
}

const anyAddress = "0.0.0.0" as IpAddress;

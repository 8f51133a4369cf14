/** Everything between a routed request and its instance: leases, the node runtime, tunnels and the connections on them. */
import type { IpAddress } from "#core/address/ip.ts";
import type { SocketAddress } from "#core/address/socket-address.ts";
import type { SpiffeId } from "#core/identity/spiffe-id.ts";
import type { CertificateSource } from "#host/certificates/certificate-source.ts";
import type { Clock } from "#host/clock.ts";
import type { Libc } from "#host/linux/libc.ts";
import { startConnect } from "#host/linux/sockets.ts";
import type { TunnelDial } from "#host/tunnel/open-tunnel.ts";
import { makeTunnelPool, type TunnelPool } from "#host/tunnel/tunnel-pool.ts";
import type { Caller, Exchange } from "./exchange.ts";
import { InstanceLeases } from "./instance-leases.ts";
import type { ActivationPort } from "./lease-outcome.ts";
import type { WaypointMetrics } from "./metrics.ts";
import { type NodeClient, openNodeClient } from "./node-client.ts";
import { type Destination, type OpenOutcome, openUpstream, prepareInstanceTunnel } from "./open-upstream.ts";
import { type TracedOutcome, tracedOpener } from "./open-traced.ts";
import type { AppPorts, Self } from "./self.ts";
import type { Telemetry } from "./telemetry.ts";
import { UpstreamPool } from "./upstream-pool.ts";

/** The parts. */
export interface Upstreams {
  readonly pool: UpstreamPool;
  readonly node: NodeClient;
  readonly leases: InstanceLeases;
  readonly tunnels: TunnelPool;
  readonly open: (exchange: Exchange, destination: Destination) => Promise<TracedOutcome>;
  /** Opens a stream for a connection that is no request. */
  readonly openFor: (caller: Caller, destination: Destination) => Promise<OpenOutcome>;
}

/** Longest wait for a plain connection. */
const connectTimeoutMs = 5000;

/** Opens them; nothing is connected yet. */
export function openUpstreams(
  self: Self,
  ports: AppPorts,
  certificates: CertificateSource,
  { telemetry, own }: { readonly telemetry: Telemetry; readonly own: SpiffeId },
): Upstreams {
  const { config, clock, log, libc } = ports;
  const { limits, runDir } = config;
  const pool = new UpstreamPool({
    clock,
    idlePerKeyMax: limits.upstreamIdlePerKeyMax,
    idleMax: limits.upstreamIdleMax,
    idleMs: limits.upstreamIdleMs,
  });
  const node = openNodeClient({
    socketPath: `${runDir}/node.sock`,
    tokenPath: `${runDir}/tokens/waypoint`,
    clock,
    onInstanceGone: (instance) => leases.onGone(instance),
    onInstanceComing: (address, identity) => prepare(address, identity),
    onLost(reason) {
      log.warn("node runtime lost", { reason });
      leases.onNodeGone();
    },
  });
  const leases: InstanceLeases = new InstanceLeases({
    activation: timed(node, clock, telemetry.metrics),
    clock,
    queueMax: limits.queueMax,
    onForgotten: (instance) => pool.closeIdleOf(instance),
  });
  const tunnels = makeTunnelPool({ clock });
  // A tunnel shows the certificate it was made with: after a renewal new requests get new tunnels.
  certificates.onChange(() => {
    tunnels.drain(() => true);
    pool.retire();
  });
  const opener = { identity: own, address: self.address };
  const opening = {
    tunnels,
    certificates,
    dial: (to: SocketAddress) => dialFrom(libc, self.address, to),
    connectTimeoutMs,
  };
  // The tunnel's handshake and the function's loading take as long as each other: they run side by side.
  const prepare = (address: SocketAddress, identity: SpiffeId): void =>
    prepareInstanceTunnel(opener, { address, identity }, opening);
  const open = tracedOpener({
    opener,
    ...opening,
    clock,
    ids: telemetry.ids,
    record: (span) => telemetry.spans.record(span),
  });
  const openFor: Upstreams["openFor"] = (caller, destination) => {
    const context = { traceId: telemetry.ids.traceId(), spanId: telemetry.ids.spanId(), sampled: false };
    return openUpstream(opener, destination, { caller, context }, opening);
  };
  return { pool, node, leases, tunnels, open, openFor };
}

/** Starts a TCP connection whose source is our own address: what the other end knows its peer by. */
function dialFrom(libc: Libc, own: IpAddress, to: SocketAddress): TunnelDial {
  const ends = { to: { address: to.ip, port: to.port }, from: { address: own, port: 0 } };
  return { kind: "fd", fd: startConnect(libc, libc.homeNamespace, ends) };
}

function timed(node: ActivationPort, clock: Clock, metrics: WaypointMetrics): ActivationPort {
  return {
    async activate(revision, further, timeoutMs) {
      const startMs = clock.monotonicMs();
      try {
        const activated = await node.activate(revision, further, timeoutMs);
        metrics.onActivation("ok", clock.monotonicMs() - startMs);
        return activated;
      } catch (error) {
        metrics.onActivation("failed", clock.monotonicMs() - startMs);
        throw error;
      }
    },
    release: (instance) => node.release(instance),
  };
}

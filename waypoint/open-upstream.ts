/** Opens a byte stream to a request's destination: through a tunnel to an instance or a waypoint, or plainly. Not HTTP. */
import { formatIp, type IpAddress } from "#core/address/ip.ts";
import { formatSocketAddress, type SocketAddress } from "#core/address/socket-address.ts";
import type { HeaderField } from "#core/h2/header-field.ts";
import { parseSpiffeId, type SpiffeId } from "#core/identity/spiffe-id.ts";
import type { ServiceBackend } from "#core/proto/lambient/discovery_pb.js";
import { formatTraceparent, type TraceContext } from "#core/telemetry/trace-context.ts";
import type { ByteStream } from "#host/byte-stream.ts";
import type { CertificateSource } from "#host/certificates/certificate-source.ts";
import { errorText } from "#host/mesh-error.ts";
import type { TunnelDial } from "#host/tunnel/open-tunnel.ts";
import { connectStream } from "#host/tunnel/socket-stream.ts";
import type { TunnelKey } from "#host/tunnel/tunnel-key.ts";
import type { TunnelPool } from "#host/tunnel/tunnel-pool.ts";
import type { Caller } from "./exchange.ts";
import type { Lease } from "./lease-outcome.ts";

/** Port on which every mesh workload takes tunnels. */
export const tunnelPort = 15008;

/** Where a request's connection leads. */
export interface Destination {
  /** What connections are shared by, beside their caller: instance or service. */
  readonly key: string;
  /** What the CONNECT asks for, or the address itself when there is no tunnel. */
  readonly target: SocketAddress;
  /** Identities that the tunnel's other end may show; undefined for a plain connection. */
  readonly identities: readonly SpiffeId[] | undefined;
  /** Where the tunnel leads. */
  readonly tunnelAddress: SocketAddress;
  /** Whether the original caller is named to the other end, which honours it only from its own waypoint. */
  readonly namesCaller: boolean;
}

/** What opening gave. */
export type OpenOutcome =
  | { readonly kind: "opened"; readonly stream: ByteStream }
  /** The other end does not admit the caller. */
  | { readonly kind: "denied"; readonly reason: string }
  /** No connection came about and nothing was sent. */
  | { readonly kind: "failed"; readonly reason: string };

/** What opening needs. */
export interface OpenUpstreamOptions {
  readonly tunnels: TunnelPool;
  readonly certificates: CertificateSource;
  /** Makes a TCP connection from our own address. */
  readonly dial: (to: SocketAddress) => TunnelDial;
  /** For a plain connection. */
  readonly connectTimeoutMs: number;
}

/** Who opens. */
export interface Opener {
  readonly identity: SpiffeId;
  readonly address: IpAddress;
}

/** The destination of a leased instance. */
export function instanceDestination(lease: Lease): Destination {
  return {
    key: lease.instance,
    target: lease.address,
    identities: [lease.identity],
    tunnelAddress: { ip: lease.address.ip, port: tunnelPort },
    namesCaller: true,
  };
}

/** The destination of another service: its waypoint when it has one. Undefined when its configuration is unusable. */
export function serviceDestination(backend: ServiceBackend): Destination | undefined {
  if (backend.address.length !== 4 && backend.address.length !== 16) return undefined;
  const target = { ip: formatIp(backend.address), port: backend.port };
  const key = `service ${formatSocketAddress(target)}`;
  if (backend.waypointAddress.length === 0)
    return { key, target, identities: undefined, tunnelAddress: target, namesCaller: false };
  const identity = parseSpiffeId(backend.waypointIdentity);
  if (!identity.ok) return undefined;
  const tunnelAddress = { ip: formatIp(backend.waypointAddress), port: tunnelPort };
  return { key, target, identities: [identity.value], tunnelAddress, namesCaller: false };
}

/** Makes the tunnel to an instance that is on its way, where our certificate is at hand. */
export function prepareInstanceTunnel(
  opener: Opener,
  instance: { readonly address: SocketAddress; readonly identity: SpiffeId },
  options: OpenUpstreamOptions,
): void {
  const certificate = options.certificates.peek(opener.identity);
  if (certificate === undefined) return;
  const tunnelAddress = { ip: instance.address.ip, port: tunnelPort };
  const key = tunnelKey(opener, [instance.identity], tunnelAddress);
  options.tunnels.prepare(key, { certificate, dial: () => options.dial(tunnelAddress) });
}

/** Opens a stream; every failure is an outcome. */
export async function openUpstream(
  opener: Opener,
  destination: Destination,
  hop: { readonly caller: Caller; readonly context: TraceContext },
  options: OpenUpstreamOptions,
): Promise<OpenOutcome> {
  try {
    if (destination.identities === undefined) {
      // From our own address: the node's own, which a Pod takes for a probe of the node, is no caller's.
      const dial = options.dial(destination.target);
      const stream = await connectStream(dial, { timeoutMs: options.connectTimeoutMs });
      return { kind: "opened", stream };
    }
    const certificate =
      options.certificates.peek(opener.identity) ?? (await options.certificates.get(opener.identity));
    const key = tunnelKey(opener, destination.identities, destination.tunnelAddress);
    const route = { certificate, dial: () => options.dial(destination.tunnelAddress) };
    const outcome = await options.tunnels.connect(key, route, connectFields(destination, hop));
    if (outcome.kind === "opened") return outcome;
    const reason = `the destination answered the tunnel's CONNECT with ${outcome.status}`;
    return { kind: isDenial(outcome.status) ? "denied" : "failed", reason };
  } catch (error) {
    return { kind: "failed", reason: errorText(error) };
  }
}

function tunnelKey(opener: Opener, destinations: readonly SpiffeId[], to: SocketAddress): TunnelKey {
  const { identity: source, address: sourceAddress } = opener;
  return { source, sourceAddress, destinations, destinationAddress: to };
}

function isDenial(status: number): boolean {
  return status === 401 || status === 403;
}

function connectFields(
  destination: Destination,
  hop: { readonly caller: Caller; readonly context: TraceContext },
): HeaderField[] {
  const fields: HeaderField[] = [
    [":method", "CONNECT"],
    [":authority", formatSocketAddress(destination.target)],
    ["traceparent", formatTraceparent(hop.context)],
  ];
  if (destination.namesCaller)
    fields.push(["lambient-caller", `${hop.caller.identity};${hop.caller.address}`]);
  return fields;
}

/** Where a captured connection goes: through a tunnel to a waypoint or a workload, in plaintext, past the mesh, or nowhere. */
import { formatSocketAddress, type SocketAddress } from "#core/address/socket-address.ts";
import type { SpiffeId } from "#core/identity/spiffe-id.ts";
import { chooseEndpoint, type ClientPlace } from "./choose-endpoint.ts";
import { type GatewayRef, tunnelPort } from "./gateway-ref.ts";
import type { Service } from "./service.ts";
import { addressKey, findServiceByAddress, type Snapshot } from "./snapshot.ts";
import type { Workload } from "./workload.ts";

/** Who makes the connection. */
export interface OutboundSource {
  readonly namespace: string;
  readonly identity: SpiffeId;
  readonly place: ClientPlace;
}

/** What becomes of a connection. */
export type OutboundDecision =
  | {
      readonly kind: "tunnel";
      readonly via: "waypoint" | "workload";
      /** Where the tunnel ends. */
      readonly tunnel: SocketAddress;
      /** What the CONNECT asks for. */
      readonly target: SocketAddress;
      /** Identities of which the tunnel's server must show one. */
      readonly peers: readonly SpiffeId[];
      readonly service: Service | undefined;
      /** The waypoint's, or the endpoint's. */
      readonly workload: Workload;
    }
  | {
      readonly kind: "plain";
      readonly target: SocketAddress;
      readonly service: Service | undefined;
      readonly workload: Workload;
    }
  | { readonly kind: "passthrough"; readonly target: SocketAddress }
  | { readonly kind: "refuse"; readonly text: string; readonly service: Service | undefined };

/** Decides in Istio's order: a service's address, then a workload's, then past the mesh. */
export function decideOutbound(
  snapshot: Snapshot,
  source: OutboundSource,
  destination: SocketAddress,
  pick: number,
): OutboundDecision {
  if (isLoopback(destination.ip)) return refuse(`attempted recursive call to ourselves: ${destination.ip}`);
  const { network } = source.place;
  const service = findServiceByAddress(snapshot, { network, ip: destination.ip }, source.namespace);
  if (service !== undefined) return toService({ snapshot, source, destination, pick }, service);
  const workload = snapshot.workloadsByAddress.get(addressKey(network, destination.ip));
  if (workload === undefined) return { kind: "passthrough", target: destination };
  return toWorkload({ snapshot, source, destination, pick }, workload);
}

interface Asked {
  readonly snapshot: Snapshot;
  readonly source: OutboundSource;
  readonly destination: SocketAddress;
  readonly pick: number;
}

function toService(asked: Asked, service: Service): OutboundDecision {
  const { snapshot, source, destination, pick } = asked;
  const ref = pickWaypoint(service, pick);
  if (ref !== undefined) {
    const waypoint = findWaypoint(asked, ref);
    if (waypoint === undefined) return refuse(`unknown waypoint: ${formatRef(ref)}`, service);
    if (waypoint.workload.identity !== source.identity) {
      return { kind: "tunnel", via: "waypoint", target: destination, service, ...waypoint };
    }
  }
  if (service.balancing.mode === "passthrough") {
    const own = snapshot.workloadsByAddress.get(addressKey(source.place.network, destination.ip));
    return own === undefined
      ? { kind: "passthrough", target: destination }
      : direct(own, destination, service);
  }
  const endpoints = snapshot.endpoints.get(service.key) ?? [];
  const chosen = chooseEndpoint({ service, port: destination.port, endpoints, client: source.place, pick });
  const ip = chosen?.workload.addresses[0];
  if (chosen === undefined || ip === undefined) {
    return refuse(`no healthy upstream: ${service.hostname}:${destination.port}`, service);
  }
  return direct(chosen.workload, { ip, port: chosen.targetPort }, service);
}

function toWorkload(asked: Asked, workload: Workload): OutboundDecision {
  if (workload.waypoint !== undefined) {
    const waypoint = findWaypoint(asked, workload.waypoint);
    if (waypoint === undefined) return refuse(`unknown waypoint: ${formatRef(workload.waypoint)}`);
    if (waypoint.workload.identity !== asked.source.identity) {
      return { kind: "tunnel", via: "waypoint", target: asked.destination, service: undefined, ...waypoint };
    }
  }
  return direct(workload, asked.destination, undefined);
}

function direct(workload: Workload, target: SocketAddress, service: Service | undefined): OutboundDecision {
  if (workload.protocol === "tcp") return { kind: "plain", target, service, workload };
  const peers = [workload.identity, ...(service?.subjectAltNames ?? [])];
  const tunnel = { ip: target.ip, port: tunnelPort };
  return { kind: "tunnel", via: "workload", tunnel, target, peers, service, workload };
}

function pickWaypoint(service: Service, pick: number): GatewayRef | undefined {
  let left = pick * service.waypoints.reduce((sum, { weight }) => sum + weight, 0);
  for (const { ref, weight } of service.waypoints) {
    left -= weight;
    if (left < 0) return ref;
  }
  return service.waypoints[0]?.ref;
}

interface FoundWaypoint {
  readonly tunnel: SocketAddress;
  readonly peers: readonly SpiffeId[];
  readonly workload: Workload;
}

function findWaypoint({ snapshot, source, pick }: Asked, ref: GatewayRef): FoundWaypoint | undefined {
  const service =
    ref.kind === "hostname"
      ? snapshot.services.get(ref.service)
      : findServiceByAddress(snapshot, { network: ref.network, ip: ref.ip }, source.namespace);
  if (service !== undefined) {
    const endpoints = snapshot.endpoints.get(service.key) ?? [];
    const chosen = chooseEndpoint({ service, port: ref.port, endpoints, client: source.place, pick });
    const ip = chosen?.workload.addresses[0];
    if (chosen === undefined || ip === undefined) return undefined;
    const peers = [chosen.workload.identity, ...service.subjectAltNames];
    return { tunnel: { ip, port: chosen.targetPort }, peers, workload: chosen.workload };
  }
  if (ref.kind === "hostname") return undefined;
  const workload = snapshot.workloadsByAddress.get(addressKey(ref.network, ref.ip));
  if (workload === undefined) return undefined;
  return { tunnel: { ip: ref.ip, port: ref.port }, peers: [workload.identity], workload };
}

function refuse(text: string, service?: Service): OutboundDecision {
  return { kind: "refuse", text, service };
}

function formatRef(ref: GatewayRef): string {
  return ref.kind === "hostname" ? ref.service : formatSocketAddress(ref);
}

function isLoopback(ip: string): boolean {
  return ip.startsWith("127.") || ip === "::1";
}

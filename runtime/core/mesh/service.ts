/** A service as the mesh knows it: names and addresses that stand for workloads, read from its message. */
import { type Cidr, formatIp, type IpAddress } from "#core/address/ip.ts";
import { parseSpiffeId, type SpiffeId } from "#core/identity/spiffe-id.ts";
import {
  IPFamilies,
  LoadBalancing_HealthPolicy,
  LoadBalancing_Mode,
  LoadBalancing_Scope,
  type Service as ServiceMessage,
  Visibility,
} from "#core/proto/istio/workload_pb.js";
import { err, ok, type Result } from "#core/result.ts";
import { type GatewayRef, readGatewayRef } from "./gateway-ref.ts";

/** An address of a service in a network. */
export interface ServiceAddress {
  readonly network: string;
  readonly ip: IpAddress;
}

/** A range of addresses of a service in a network. */
export interface ServiceRange {
  readonly network: string;
  readonly cidr: Cidr;
}

/** What near means, in order of preference. */
export type RoutingScope = "region" | "zone" | "subzone" | "node" | "cluster" | "network";

/** How a service's endpoints are chosen. */
export interface Balancing {
  readonly mode: "standard" | "strict" | "failover" | "passthrough";
  readonly preferences: readonly RoutingScope[];
  readonly allowsUnhealthy: boolean;
}

/** One service. */
export interface Service {
  /** `<namespace>/<hostname>`. */
  readonly key: string;
  readonly name: string;
  readonly namespace: string;
  readonly hostname: string;
  readonly addresses: readonly ServiceAddress[];
  readonly ranges: readonly ServiceRange[];
  /** Target port by service port. */
  readonly ports: ReadonlyMap<number, number>;
  readonly subjectAltNames: readonly SpiffeId[];
  /** With their weights; the only one, or none, as a rule. */
  readonly waypoints: readonly { readonly ref: GatewayRef; readonly weight: number }[];
  readonly balancing: Balancing;
  /** Preferred where several services share an address or name. */
  readonly isCanonical: boolean;
  /** Visible in its own namespace only. */
  readonly isPrivate: boolean;
  readonly families: { readonly ipv4: boolean; readonly ipv6: boolean };
}

const modes = {
  [LoadBalancing_Mode.UNSPECIFIED_MODE]: "standard",
  [LoadBalancing_Mode.STRICT]: "strict",
  [LoadBalancing_Mode.FAILOVER]: "failover",
  [LoadBalancing_Mode.PASSTHROUGH]: "passthrough",
} as const;

const scopes: Readonly<Record<number, RoutingScope>> = {
  [LoadBalancing_Scope.REGION]: "region",
  [LoadBalancing_Scope.ZONE]: "zone",
  [LoadBalancing_Scope.SUBZONE]: "subzone",
  [LoadBalancing_Scope.NODE]: "node",
  [LoadBalancing_Scope.CLUSTER]: "cluster",
  [LoadBalancing_Scope.NETWORK]: "network",
};

/** Reads a service's message. */
export function readService(message: ServiceMessage): Result<Service> {
  const key = `${message.namespace}/${message.hostname}`;
  if (message.hostname === "") return err(`Cannot read service ${key}${message.name}: it has no hostname`);
  for (const { address, length } of message.addresses) {
    if ((address.length !== 4 && address.length !== 16) || (length ?? 0) > address.length * 8) {
      return err(
        `Cannot read service ${key}: an address has ${address.length} bytes and prefix ${length ?? "none"}`,
      );
    }
  }
  const exact = message.addresses.filter(({ address, length }) => isExact(address, length));
  const ranges = message.addresses.filter(({ address, length }) => !isExact(address, length));
  const names = message.subjectAltNames.map(parseSpiffeId);
  return ok({
    key,
    name: message.name,
    namespace: message.namespace,
    hostname: message.hostname,
    addresses: exact.map(({ network, address }) => ({ network, ip: formatIp(address) })),
    ranges: ranges.map(({ network, address, length = 0 }) => ({
      network,
      cidr: { address: formatIp(address), prefixBits: length },
    })),
    ports: new Map(message.ports.map((port) => [port.servicePort, port.targetPort])),
    subjectAltNames: names.flatMap((name) => (name.ok ? [name.value] : [])),
    waypoints: readWaypoints(message),
    balancing: readBalancing(message),
    isCanonical: message.canonical,
    isPrivate: message.visibility === Visibility.NAMESPACE,
    families: {
      ipv4: message.ipFamilies !== IPFamilies.IPV6_ONLY,
      ipv6: message.ipFamilies !== IPFamilies.IPV4_ONLY,
    },
  });
}

function isExact(address: Uint8Array, length: number | undefined): boolean {
  return length === undefined || length === address.length * 8;
}

function readWaypoints(message: ServiceMessage): Service["waypoints"] {
  const weighted = message.weightedWaypoints.flatMap(({ destination, weight }) => {
    const ref = readGatewayRef(destination);
    return ref === undefined || weight === 0 ? [] : [{ ref, weight }];
  });
  if (weighted.length > 0) return weighted;
  const ref = readGatewayRef(message.waypoint);
  return ref === undefined ? [] : [{ ref, weight: 1 }];
}

function readBalancing(message: ServiceMessage): Balancing {
  const given = message.loadBalancing;
  const mode: Balancing["mode"] | undefined = modes[given?.mode ?? LoadBalancing_Mode.UNSPECIFIED_MODE];
  return {
    mode: mode ?? "standard",
    preferences: (given?.routingPreference ?? []).flatMap((scope) => scopes[scope] ?? []),
    allowsUnhealthy: given?.healthPolicy === LoadBalancing_HealthPolicy.ALLOW_ALL,
  };
}

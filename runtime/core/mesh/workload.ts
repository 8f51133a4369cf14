/** A workload as the mesh knows it: an address with an identity, read from its message; how it is reached is decided elsewhere. */
import { formatIp, type IpAddress } from "#core/address/ip.ts";
import { parseSpiffeId, type SpiffeId } from "#core/identity/spiffe-id.ts";
import {
  NetworkMode,
  TunnelProtocol,
  type Workload as WorkloadMessage,
  WorkloadStatus,
  WorkloadType,
} from "#core/proto/istio/workload_pb.js";
import { err, ok, type Result } from "#core/result.ts";
import { type GatewayRef, readGatewayRef } from "./gateway-ref.ts";

/** Where a workload runs, for preferring near endpoints. */
export interface Locality {
  readonly region: string;
  readonly zone: string;
  readonly subzone: string;
}

/** One workload. */
export interface Workload {
  readonly uid: string;
  readonly name: string;
  readonly namespace: string;
  readonly serviceAccount: string;
  readonly trustDomain: string;
  readonly identity: SpiffeId;
  readonly network: string;
  readonly addresses: readonly IpAddress[];
  /** `hbone` takes tunnels on its own address, `tcp` plain connections only. */
  readonly protocol: "hbone" | "tcp";
  readonly waypoint: GatewayRef | undefined;
  readonly node: string;
  readonly clusterId: string;
  readonly workloadName: string;
  readonly workloadType: "deployment" | "cronjob" | "pod" | "job";
  readonly canonicalName: string;
  readonly canonicalRevision: string;
  readonly isHealthy: boolean;
  /** On the node's own network: its address belongs to others too. */
  readonly isHostNetwork: boolean;
  readonly locality: Locality;
  /** Its share of a service's connections, 1 by default. */
  readonly capacity: number;
  /** Policies that name it, `<namespace>/<name>`. */
  readonly policies: readonly string[];
  /** Target port by service port, by the service's `<namespace>/<hostname>`. */
  readonly services: ReadonlyMap<string, ReadonlyMap<number, number>>;
}

const types = {
  [WorkloadType.DEPLOYMENT]: "deployment",
  [WorkloadType.CRONJOB]: "cronjob",
  [WorkloadType.POD]: "pod",
  [WorkloadType.JOB]: "job",
} as const;

/** Reads a workload's message. */
export function readWorkload(message: WorkloadMessage): Result<Workload> {
  if (message.uid === "") return err("Cannot read a workload: it has no uid");
  if (message.tunnelProtocol === TunnelProtocol.LEGACY_ISTIO_MTLS) {
    return err(`Cannot read workload ${message.uid}: its protocol LEGACY_ISTIO_MTLS is not spoken here`);
  }
  if (message.addresses.some((address) => address.length !== 4 && address.length !== 16)) {
    return err(`Cannot read workload ${message.uid}: an address has neither 4 nor 16 bytes`);
  }
  const trustDomain = message.trustDomain || "cluster.local";
  const serviceAccount = message.serviceAccount || "default";
  const identity = parseSpiffeId(`spiffe://${trustDomain}/ns/${message.namespace}/sa/${serviceAccount}`);
  if (!identity.ok) return err(`Cannot read workload ${message.uid}: ${identity.error}`);
  return ok({
    ...readNames(message),
    serviceAccount,
    trustDomain,
    identity: identity.value,
    network: message.network,
    addresses: message.addresses.map(formatIp),
    protocol: message.tunnelProtocol === TunnelProtocol.HBONE ? "hbone" : "tcp",
    waypoint: readGatewayRef(message.waypoint),
    isHealthy: message.status === WorkloadStatus.HEALTHY,
    isHostNetwork: message.networkMode === NetworkMode.HOST_NETWORK,
    locality: readLocality(message),
    capacity: message.capacity?.value ?? 1,
    policies: message.authorizationPolicies,
    services: readServices(message),
  });
}

type Names = Pick<
  Workload,
  | "uid"
  | "name"
  | "namespace"
  | "node"
  | "clusterId"
  | "workloadName"
  | "workloadType"
  | "canonicalName"
  | "canonicalRevision"
>;

function readNames(message: WorkloadMessage): Names {
  const { uid, name, namespace, node, workloadName, canonicalName, canonicalRevision } = message;
  // Proto3 enums are open: a later version's number is possible here, whatever the types say.
  const workloadType: Workload["workloadType"] | undefined = types[message.workloadType];
  return {
    uid,
    name,
    namespace,
    node,
    clusterId: message.clusterId || "Kubernetes",
    workloadName,
    workloadType: workloadType ?? "pod",
    canonicalName,
    canonicalRevision,
  };
}

function readLocality({ locality }: WorkloadMessage): Locality {
  return { region: locality?.region ?? "", zone: locality?.zone ?? "", subzone: locality?.subzone ?? "" };
}

function readServices(message: WorkloadMessage): ReadonlyMap<string, ReadonlyMap<number, number>> {
  const services = new Map<string, ReadonlyMap<number, number>>();
  for (const [service, list] of Object.entries(message.services)) {
    services.set(service, new Map(list.ports.map((port) => [port.servicePort, port.targetPort])));
  }
  return services;
}

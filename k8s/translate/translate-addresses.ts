/** Services and workloads → `istio.workload.Address`, under the names that Istio gives them. */
import { create } from "@bufbuild/protobuf";
import { type IpAddress, ipBytes, parseIp } from "#core/address/ip.ts";
import {
  type Address,
  AddressSchema,
  type GatewayAddress,
  GatewayAddressSchema,
  type Port,
  PortSchema,
  ServiceSchema,
  TunnelProtocol,
  type Workload,
  WorkloadSchema,
  WorkloadStatus,
  WorkloadType,
} from "#core/proto/istio/workload_pb.js";
import {
  hostnameOf,
  type MeshIndex,
  serviceAddress,
  waypointOfService,
  type WaypointPlace,
} from "./mesh-index.ts";
import type { ServiceObject } from "../model/core-objects.ts";
import { functionLabel, type InstanceObject, type MeshSettings, tunnelPort } from "./mesh-objects.ts";
import { balancingOf } from "./load-balancing.ts";
import { selectorKeysForWorkload } from "./policy-keys.ts";
import { appProtocolOf, clusterId, isTcp } from "./service-ports.ts";
import { sliceWorkloads } from "./translate-slices.ts";
import { revisionLabels } from "./translate-templates.ts";

/** Every service and workload but the mesh's own. */
export function translateAddresses(index: MeshIndex): Map<string, Address> {
  const addresses = new Map<string, Address>();
  for (const service of index.services.values()) {
    const message = translateService(index, service);
    addresses.set(`${message.namespace}/${message.hostname}`, asAddress({ case: "service", value: message }));
  }
  for (const workload of [
    ...sliceWorkloads(index),
    ...instanceWorkloads(index),
    ...waypointWorkloads(index),
  ]) {
    addresses.set(workload.uid, asAddress({ case: "workload", value: workload }));
  }
  return addresses;
}

/** A waypoint as services and workloads refer to it. */
function gatewayAddress(waypoint: WaypointPlace): GatewayAddress {
  const address = { network: "", address: ipBytes(waypoint.address) };
  return create(GatewayAddressSchema, {
    destination: { case: "address", value: address },
    hboneMtlsPort: tunnelPort,
  });
}

/** A Service's ports as both services and workloads carry them. */
function portsOf(service: ServiceObject): Port[] {
  return (service.spec.ports ?? []).filter(isTcp).map((each) => {
    const { port, targetPort = port } = each;
    const appProtocol = appProtocolOf(each);
    // A name means another port at each Pod, which each Pod's record tells.
    return create(PortSchema, {
      servicePort: port,
      targetPort: typeof targetPort === "number" ? targetPort : 0,
      appProtocol,
    });
  });
}

function translateService(
  index: MeshIndex,
  service: ServiceObject,
): ReturnType<typeof create<typeof ServiceSchema>> {
  const address = serviceAddress(service);
  const waypoint = waypointOfService(index, service);
  return create(ServiceSchema, {
    name: service.metadata.name,
    namespace: service.metadata.namespace,
    hostname: hostnameOf(service, index.settings),
    addresses: address === undefined ? [] : [{ network: "", address: ipBytes(address) }],
    ports: portsOf(service),
    ...balancingOf(service),
    ...(waypoint === undefined ? {} : { waypoint: gatewayAddress(waypoint) }),
  });
}

interface WorkloadFacts {
  readonly name: string;
  readonly namespace: string;
  readonly serviceAccount: string;
  readonly address: IpAddress;
}

function baseWorkload(settings: MeshSettings, facts: WorkloadFacts): Workload {
  const { name, namespace, serviceAccount, address } = facts;
  return create(WorkloadSchema, {
    uid: `${clusterId}//Pod/${namespace}/${name}`,
    name,
    namespace,
    serviceAccount,
    addresses: [ipBytes(address)],
    tunnelProtocol: TunnelProtocol.HBONE,
    trustDomain: settings.trustDomain,
    node: settings.node,
    canonicalName: name,
    canonicalRevision: "latest",
    workloadName: name,
    workloadType: WorkloadType.POD,
    clusterId,
    status: WorkloadStatus.HEALTHY,
  });
}

function instanceWorkloads(index: MeshIndex): Workload[] {
  return index.objects.instances.flatMap((instance) => instanceWorkload(index, instance));
}

/** An instance of a revision that is gone keeps no record: it is being stopped. */
function instanceWorkload(index: MeshIndex, instance: InstanceObject): Workload[] {
  const { namespace, instance: name } = instance;
  const revision = index.revisions.get(`${namespace}/${instance.revision}`);
  const address = parseIp(instance.address);
  if (revision === undefined || !address.ok) return [];
  const workload = baseWorkload(index.settings, {
    name,
    namespace,
    serviceAccount: revision.spec.serviceAccountName,
    address: address.value,
  });
  workload.canonicalName = instance.function;
  workload.canonicalRevision = instance.revision;
  workload.workloadName = instance.function;
  const subject = { namespace, labels: revisionLabels(revision) };
  const keys = selectorKeysForWorkload(index.objects.policies, subject, index.settings);
  workload.authorizationPolicies = [...keys];
  const service = index.services.get(`${namespace}/${instance.function}`);
  if (service?.metadata.labels?.[functionLabel] === instance.function) {
    workload.services[`${namespace}/${hostnameOf(service, index.settings)}`] = {
      $typeName: "istio.workload.PortList",
      ports: portsOf(service),
    };
  }
  return [workload];
}

function waypointWorkloads({ waypoints, settings }: MeshIndex): Workload[] {
  return [...waypoints.values()].map(({ namespace, name, address }) =>
    baseWorkload(settings, { name, namespace, serviceAccount: name, address }),
  );
}

/** The edge and the node's ztunnel as workloads, so that proxies know whom they meet by address. */
export function translateOwnWorkloads(settings: MeshSettings): Map<string, Address> {
  const own: readonly (readonly [string, string])[] = [
    ["node", settings.nodeAddress],
    ["edge", settings.edgeAddress],
  ];
  return new Map(
    own.flatMap(([name, text]): [string, Address][] => {
      const address = parseIp(text);
      if (!address.ok) return [];
      const facts = { name, namespace: settings.rootNamespace, serviceAccount: name, address: address.value };
      const workload = baseWorkload(settings, facts);
      return [[workload.uid, asAddress({ case: "workload", value: workload })]];
    }),
  );
}

function asAddress(type: Address["type"]): Address {
  const address = create(AddressSchema);
  address.type = type;
  return address;
}

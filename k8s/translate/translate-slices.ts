/** EndpointSlices of Services that select nothing → workloads outside the mesh: whoever wrote them says what stands behind the Service. */
import { create } from "@bufbuild/protobuf";
import { ipBytes, parseIp } from "#core/address/ip.ts";
import {
  NetworkMode,
  type PortList,
  PortListSchema,
  type Workload,
  WorkloadSchema,
  WorkloadStatus,
  WorkloadType,
} from "#core/proto/istio/workload_pb.js";
import type { EndpointSliceObject, ServiceObject } from "../model/core-objects.ts";
import { hostnameOf, type MeshIndex } from "./mesh-index.ts";
import { appProtocolOf, clusterId, isTcp } from "./service-ports.ts";

/** Of which Service a slice is. */
const serviceNameLabel = "kubernetes.io/service-name";

/** The workloads, under Istio's names. */
export function sliceWorkloads(index: MeshIndex): Workload[] {
  return index.objects.slices.flatMap((slice) => {
    const { namespace, labels } = slice.metadata;
    const service = index.services.get(`${namespace}/${labels?.[serviceNameLabel] ?? ""}`);
    if (service === undefined || Object.keys(service.spec.selector ?? {}).length > 0) return [];
    const key = `${namespace}/${hostnameOf(service, index.settings)}`;
    return workloadsOf(slice, { [key]: portsOf(service, slice) });
  });
}

function workloadsOf(slice: EndpointSliceObject, services: Record<string, PortList>): Workload[] {
  const { namespace, name } = slice.metadata;
  // A slice without endpoints may say null, whatever its schema says.
  const endpoints: EndpointSliceObject["endpoints"] | null = slice.endpoints;
  return (endpoints ?? []).flatMap(({ addresses, conditions, nodeName = "" }) => {
    const ip = parseIp(addresses[0] ?? "");
    if (!ip.ok) return [];
    const isWell = conditions?.ready !== false;
    return [
      create(WorkloadSchema, {
        uid: `${clusterId}/discovery.k8s.io/EndpointSlice/${namespace}/${name}/${ip.value}`,
        name,
        namespace,
        addresses: [ipBytes(ip.value)],
        // Its address may be anybody's: who calls it directly does not mean this Service.
        networkMode: NetworkMode.HOST_NETWORK,
        node: nodeName,
        workloadName: name,
        workloadType: WorkloadType.POD,
        canonicalName: name,
        canonicalRevision: "latest",
        clusterId,
        status: isWell ? WorkloadStatus.HEALTHY : WorkloadStatus.UNHEALTHY,
        services,
      }),
    ];
  });
}

/** A slice's ports bear the names of the Service's. */
function portsOf(service: ServiceObject, slice: EndpointSliceObject): PortList {
  const ports = (service.spec.ports ?? []).filter(isTcp).flatMap((port) => {
    const target = (slice.ports ?? []).find(({ name }) => (name ?? "") === (port.name ?? ""))?.port;
    return target === undefined
      ? []
      : [{ servicePort: port.port, targetPort: target, appProtocol: appProtocolOf(port) }];
  });
  return create(PortListSchema, { ports });
}

/** A Service's endpoints → the one v1 Endpoints object of its name, which older clients read. What programs go by are its EndpointSlices. */
import { canonicalJson } from "#core/release/canonical-json.ts";
import {
  type EndpointAddress,
  type EndpointsObject,
  endpointsResource,
  type EndpointSubset,
  type ServiceObject,
  serviceResource,
} from "../../model/core-objects.ts";
import type { PodObject } from "../../model/pod.ts";
import { controllerReference } from "../workloads/owned.ts";
import { keyOf, type WorkloadAction } from "../workloads/workload-action.ts";
import { type Endpoint, type EndpointGroup, gatherEndpoints, hasSelector } from "./service-endpoints.ts";

const managedByLabel = "endpoints.kubernetes.io/managed-by";
const manager = "endpoint-controller";
/** Addresses in one object, as in Kubernetes: whoever needs them all reads slices. */
const addressesMax = 1000;

/** Decides. @param existing of the Service's name, whoever made it */
export function reconcileEndpoints(
  service: ServiceObject,
  pods: readonly PodObject[],
  existing: EndpointsObject | undefined,
): readonly WorkloadAction[] {
  if (service.metadata.deletionTimestamp !== undefined || !hasSelector(service)) return [];
  const isPublished = service.spec.publishNotReadyAddresses === true;
  const subsets = gatherEndpoints(service, pods)
    .filter(({ addressType }) => addressType === "IPv4")
    .map((group) => subsetOf(group, isPublished))
    .filter(({ addresses, notReadyAddresses }) => (addresses ?? notReadyAddresses) !== undefined);
  const labels = { ...service.metadata.labels, [managedByLabel]: manager };
  const { namespace, name } = service.metadata;
  if (existing === undefined) {
    const ownerReferences = [controllerReference(serviceResource, service)];
    const draft = { metadata: { namespace, name, labels, ownerReferences }, subsets };
    return [{ kind: "create", type: endpointsResource, draft }];
  }
  const isSame =
    canonicalJson(existing.subsets ?? []) === canonicalJson(subsets) &&
    canonicalJson(existing.metadata.labels ?? {}) === canonicalJson(labels);
  const value = { metadata: { labels }, subsets };
  return isSame ? [] : [{ kind: "patch", type: endpointsResource, key: keyOf(existing), value }];
}

/** What ends is left out, unless the Service wants to know of everything. */
function subsetOf({ endpoints, ports }: EndpointGroup, isPublished: boolean): EndpointSubset {
  const known = endpoints
    .filter(({ conditions }) => isPublished || !conditions.terminating)
    .slice(0, addressesMax);
  const ready = known.filter(({ conditions }) => conditions.ready).map(addressOf);
  const others = known.filter(({ conditions }) => !conditions.ready).map(addressOf);
  return {
    ...(ready.length === 0 ? {} : { addresses: ready }),
    ...(others.length === 0 ? {} : { notReadyAddresses: others }),
    ...(ports.length === 0
      ? {}
      : { ports: ports.map(({ name, ...port }) => (name === "" ? port : { name, ...port })) }),
  };
}

function addressOf({ addresses, hostname, nodeName, targetRef }: Endpoint): EndpointAddress {
  return {
    ip: addresses[0] ?? "",
    ...(hostname === undefined ? {} : { hostname }),
    ...(nodeName === undefined ? {} : { nodeName }),
    targetRef,
  };
}

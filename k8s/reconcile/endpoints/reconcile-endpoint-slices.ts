/** A Service's endpoints and the EndpointSlices there are → slices to make, to change as little as may be, and to drop. */
import { canonicalJson } from "#core/release/canonical-json.ts";
import {
  type EndpointSliceObject,
  endpointSliceResource,
  type ServiceObject,
  serviceResource,
} from "../../model/core-objects.ts";
import type { PodObject } from "../../model/pod.ts";
import { controllerReference } from "../workloads/owned.ts";
import { keyOf, type WorkloadAction } from "../workloads/workload-action.ts";
import { type Endpoint, type EndpointGroup, gatherEndpoints, hasSelector } from "./service-endpoints.ts";

/** On slices: whose they are. */
export const serviceNameLabel = "kubernetes.io/service-name";
/** On slices: who keeps them. */
export const managedByLabel = "endpointslice.kubernetes.io/managed-by";
/** Kubernetes' own word for its controller, which others look for. */
export const manager = "endpointslice-controller.k8s.io";
const headlessLabel = "service.kubernetes.io/headless";

/** Endpoints that a slice holds at most. */
export const endpointsPerSlice = 100;

/** Decides. @param slices of the Service, kept by us */
export function reconcileEndpointSlices(
  service: ServiceObject,
  pods: readonly PodObject[],
  slices: readonly EndpointSliceObject[],
): readonly WorkloadAction[] {
  if (service.metadata.deletionTimestamp !== undefined) return [];
  if (!hasSelector(service)) return slices.map(drop);
  const left = new Set(slices.filter(({ metadata }) => metadata.deletionTimestamp === undefined));
  const groups = gatherEndpoints(service, pods);
  if (groups.length === 0) return keepOneEmpty(service, [...left]);
  const actions = groups.flatMap((group) => {
    const own = [...left].filter((slice) => isOf(slice, group));
    for (const slice of own) left.delete(slice);
    return reconcileGroup(service, group, own);
  });
  return [...actions, ...[...left].map(drop)];
}

/** One slice without endpoints stays, so that those who look see that there are none. */
function keepOneEmpty(
  service: ServiceObject,
  [kept, ...others]: readonly EndpointSliceObject[],
): readonly WorkloadAction[] {
  const empty = { addressType: "IPv4", ports: [], endpoints: [] } as const;
  return kept === undefined
    ? [make(service, empty, [])]
    : [...refill(service, kept, []), ...others.map(drop)];
}

/** A slice belongs to the group of the same ports. */
function isOf(slice: EndpointSliceObject, { addressType, ports }: EndpointGroup): boolean {
  return slice.addressType === addressType && canonicalJson(slice.ports ?? []) === canonicalJson(ports);
}

/** Endpoints stay in the slice where they are; what is new fills slices up. */
function reconcileGroup(
  service: ServiceObject,
  group: EndpointGroup,
  own: readonly EndpointSliceObject[],
): readonly WorkloadAction[] {
  const wanted = new Map(group.endpoints.map((each) => [each.targetRef.uid, each]));
  const kept = own.map((slice) => {
    const endpoints = endpointsOf(slice).flatMap(({ targetRef }) => {
      const found = wanted.get(targetRef?.uid ?? "");
      if (found !== undefined) wanted.delete(found.targetRef.uid);
      return found === undefined ? [] : [found];
    });
    return { slice, endpoints };
  });
  const fresh = [...wanted.values()];
  for (const { endpoints } of kept) {
    endpoints.push(...fresh.splice(0, Math.max(0, endpointsPerSlice - endpoints.length)));
  }
  const made: WorkloadAction[] = [];
  while (fresh.length > 0) made.push(make(service, group, fresh.splice(0, endpointsPerSlice)));
  return [
    ...kept.flatMap(({ slice, endpoints }) =>
      endpoints.length === 0 ? [drop(slice)] : refill(service, slice, endpoints),
    ),
    ...made,
  ];
}

interface HeldEndpoint {
  readonly targetRef?: { readonly uid?: string };
}

function endpointsOf({ endpoints }: EndpointSliceObject): readonly HeldEndpoint[] {
  // A slice without endpoints may say so by null.
  const held: readonly HeldEndpoint[] | null = endpoints;
  return held ?? [];
}

function refill(
  service: ServiceObject,
  slice: EndpointSliceObject,
  endpoints: readonly Endpoint[],
): readonly WorkloadAction[] {
  const labels = labelsOf(service);
  const isSame =
    canonicalJson(endpointsOf(slice)) === canonicalJson(endpoints) &&
    Object.entries(labels).every(([name, value]) => slice.metadata.labels?.[name] === value);
  if (isSame) return [];
  // Of another version it would be decided anew: two writers of one slice would undo each other.
  const { resourceVersion } = slice.metadata;
  const value = { metadata: { resourceVersion, labels }, endpoints };
  return [{ kind: "patch", type: endpointSliceResource, key: keyOf(slice), value }];
}

function make(
  service: ServiceObject,
  { addressType, ports }: EndpointGroup,
  endpoints: readonly Endpoint[],
): WorkloadAction {
  const { namespace, name } = service.metadata;
  const draft = {
    metadata: {
      namespace,
      generateName: `${name}-`,
      labels: labelsOf(service),
      ownerReferences: [controllerReference(serviceResource, service)],
    },
    addressType,
    endpoints,
    ports,
  };
  return { kind: "create", type: endpointSliceResource, draft };
}

function labelsOf(service: ServiceObject): Readonly<Record<string, string>> {
  const isHeadless = service.spec.clusterIP === "None";
  return {
    ...service.metadata.labels,
    ...(isHeadless ? { [headlessLabel]: "" } : {}),
    [serviceNameLabel]: service.metadata.name,
    [managedByLabel]: manager,
  };
}

function drop(slice: EndpointSliceObject): WorkloadAction {
  const { uid } = slice.metadata;
  return { kind: "delete", type: endpointSliceResource, key: keyOf(slice), uid };
}

/** Gateways, Services and routes → each waypoint's whole configuration, and the edge's. */
import { create } from "@bufbuild/protobuf";
import { ipBytes } from "#core/address/ip.ts";
import {
  BackendSchema,
  type RoutedService,
  RoutedServiceSchema,
  RouteSchema,
  type ServicePort,
  ServicePortSchema,
  type Waypoint,
  WaypointSchema,
} from "#core/proto/lambient/discovery_pb.js";
import {
  hostnameOf,
  type MeshIndex,
  serviceAddress,
  waypointOfService,
  type WaypointPlace,
} from "./mesh-index.ts";
import type { ServiceObject, ServicePort as ServicePortObject } from "../model/core-objects.ts";
import { functionLabel, type MeshSettings } from "./mesh-objects.ts";
import { namedPortKey } from "./named-ports.ts";
import { keysForTarget, keysForWorkload } from "./policy-keys.ts";
import { appProtocolOf } from "./service-ports.ts";
import { serviceBackend } from "./translate-backends.ts";
import { translateRoutes } from "./translate-routes.ts";
import { revisionLabels } from "./translate-templates.ts";

/** Every waypoint's configuration as `<namespace>/<gateway>`. */
export function translateWaypoints(index: MeshIndex): Map<string, Waypoint> {
  const waypoints = new Map<string, Waypoint>();
  const byWaypoint = Map.groupBy(index.services.values(), (service) => {
    const place = waypointOfService(index, service);
    return place === undefined ? "" : `${place.namespace}/${place.name}`;
  });
  for (const [key, place] of index.waypoints) {
    waypoints.set(key, translateWaypoint(index, place, byWaypoint.get(key) ?? []));
  }
  return waypoints;
}

function translateWaypoint(
  index: MeshIndex,
  place: WaypointPlace,
  services: readonly ServiceObject[],
): Waypoint {
  return create(WaypointSchema, {
    namespace: place.namespace,
    name: place.name,
    serviceAccount: place.name,
    trustDomain: index.settings.trustDomain,
    address: ipBytes(place.address),
    idleMs: BigInt(index.settings.waypointIdleMs),
    services: services.map((service) => ({
      ...baseService(index, service),
      direct: !isOfFunction(index, service),
      routes: [...translateRoutes(index, service)],
      authorizationPolicies: [...policyKeys(index, service, place)],
    })),
  });
}

/** The edge sends to services through their waypoints, which decide; it has no policies of its own. */
export function translateEdge(settings: MeshSettings, services: readonly RoutedService[]): Waypoint {
  return create(WaypointSchema, {
    namespace: settings.rootNamespace,
    name: "edge",
    serviceAccount: "edge",
    trustDomain: settings.trustDomain,
    edge: true,
    services: [...services],
  });
}

/** The functions' services as the edge has them. */
export function translateEdgeServices(index: MeshIndex): readonly RoutedService[] {
  return [...index.services.values()]
    .filter((service) => isOfFunction(index, service))
    .map((service) => edgeService(index, service));
}

function isOfFunction(index: MeshIndex, { metadata }: ServiceObject): boolean {
  return index.functions.has(`${metadata.namespace}/${metadata.labels?.[functionLabel]}`);
}

function edgeService(index: MeshIndex, service: ServiceObject): RoutedService {
  const backends = (service.spec.ports ?? []).slice(0, 1).flatMap(({ port }) => {
    const value = serviceBackend(index, service, port);
    if (value === undefined) return [];
    return [create(BackendSchema, { weight: 1, target: { case: "service", value } })];
  });
  return { ...baseService(index, service), routes: [create(RouteSchema, { name: "default", backends })] };
}

function baseService(index: MeshIndex, service: ServiceObject): RoutedService {
  const address = serviceAddress(service);
  return create(RoutedServiceSchema, {
    namespace: service.metadata.namespace,
    name: service.metadata.name,
    hostname: hostnameOf(service, index.settings),
    addresses: address === undefined ? [] : [ipBytes(address)],
    ports: (service.spec.ports ?? []).map((port) => servicePort(index, service, port)),
  });
}

function servicePort(index: MeshIndex, service: ServiceObject, port: ServicePortObject): ServicePort {
  const { targetPort = port.port } = port;
  const named = index.namedPorts.get(namedPortKey(service, port));
  return create(ServicePortSchema, {
    port: port.port,
    targetPort: typeof targetPort === "number" ? targetPort : (named ?? port.port),
    appProtocol: appProtocolOf(port),
    name: port.name ?? "",
  });
}

/**
 * What holds for a service in its waypoint: policies attached to it, and those that hold for its workloads. A policy
 * that selects only some of a function's revisions holds for the whole service: which of them serves is decided later.
 */
function policyKeys(index: MeshIndex, service: ServiceObject, place: WaypointPlace): readonly string[] {
  const { namespace, name, labels = {} } = service.metadata;
  const { policies } = index.objects;
  const functionName = labels[functionLabel];
  const target = { namespace, service: name, function: functionName, gateway: place.name };
  const keys = new Set(keysForTarget(policies, target));
  const revisions = index.revisionsOf.get(`${namespace}/${functionName}`) ?? [];
  const selected = service.spec.selector ?? {};
  const subjects = revisions.length > 0 ? revisions.map(revisionLabels) : [selected];
  for (const subject of subjects) {
    for (const key of keysForWorkload(policies, { namespace, labels: subject }, index.settings))
      keys.add(key);
  }
  return [...keys].sort();
}

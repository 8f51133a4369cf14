/** The mesh's objects by what asks for them, built once for a translation. */
import { parseIp, type IpAddress } from "#core/address/ip.ts";
import { formatSpiffeId, type SpiffeId } from "#core/identity/spiffe-id.ts";
import type { FunctionObject, GatewayObject, RevisionObject } from "#host/kube/known-resources.ts";
import type { NamespaceObject, ServiceObject } from "../model/core-objects.ts";
import { decideTraffic, type FunctionTraffic } from "./function-traffic.ts";
import {
  type MeshObjects,
  type MeshSettings,
  useWaypointLabel,
  useWaypointNamespaceLabel,
  waypointClass,
  waypointForLabel,
} from "./mesh-objects.ts";
import type { NamedPorts } from "./named-ports.ts";
import { currentRevision } from "./revision-name.ts";

/** A waypoint that can be reached. */
export interface WaypointPlace {
  readonly namespace: string;
  readonly name: string;
  readonly address: IpAddress;
  readonly identity: SpiffeId;
  /** Not one for workloads only. */
  readonly servesServices: boolean;
}

/** Look-ups; all keys are `<namespace>/<name>`. */
export interface MeshIndex {
  readonly objects: MeshObjects;
  readonly settings: MeshSettings;
  readonly functions: ReadonlyMap<string, FunctionObject>;
  readonly revisions: ReadonlyMap<string, RevisionObject>;
  readonly services: ReadonlyMap<string, ServiceObject>;
  readonly waypoints: ReadonlyMap<string, WaypointPlace>;
  readonly namespaces: ReadonlyMap<string, NamespaceObject>;
  /** Revisions by their function. */
  readonly revisionsOf: ReadonlyMap<string, readonly RevisionObject[]>;
  /** Traffic by function. */
  readonly traffic: ReadonlyMap<string, FunctionTraffic>;
  readonly namedPorts: NamedPorts;
}

/** Builds the index. @param namedPorts what Services' named ports are at their Pods, where that matters */
export function indexMesh(objects: MeshObjects, namedPorts: NamedPorts = new Map()): MeshIndex {
  const revisionsOf = Map.groupBy(
    objects.revisions,
    ({ metadata, spec }) => `${metadata.namespace}/${spec.function}`,
  );
  const functions = byKey(objects.functions);
  const traffic = new Map(
    [...functions].map(([key, object]) => [
      key,
      decideTraffic(object, revisionsOf.get(key) ?? [], currentRevision(object)),
    ]),
  );
  return {
    objects,
    settings: objects.settings,
    functions,
    revisions: byKey(objects.revisions),
    services: byKey(objects.services),
    waypoints: waypointsByKey(objects),
    namespaces: new Map(objects.namespaces.map((each) => [each.metadata.name, each])),
    revisionsOf,
    traffic,
    namedPorts,
  };
}

/** The address that a Service has inside the mesh; a headless one has none. */
export function serviceAddress(service: ServiceObject): IpAddress | undefined {
  const ip = parseIp(service.spec.clusterIP ?? "");
  return ip.ok ? ip.value : undefined;
}

/** `<service>.<namespace>.svc.<cluster domain>` */
export function hostnameOf(service: ServiceObject, settings: MeshSettings): string {
  return `${service.metadata.name}.${service.metadata.namespace}.svc.${settings.clusterDomain}`;
}

/**
 * The waypoint a Service stands behind: its own label counts before its namespace's, also where it names one that is
 * not there, which then is none.
 */
export function waypointOfService(index: MeshIndex, service: ServiceObject): WaypointPlace | undefined {
  const key = waypointNameOf(index, service);
  const isHere = key?.startsWith(`${service.metadata.namespace}/`) === true;
  const place = key === undefined || !isHere ? undefined : index.waypoints.get(key);
  return place?.servesServices === true ? place : undefined;
}

/** The waypoint that a Service names, `<namespace>/<name>`, whether there is one or not. */
export function waypointNameOf(index: MeshIndex, service: ServiceObject): string | undefined {
  const { namespace, labels = {} } = service.metadata;
  const ofNamespace = index.namespaces.get(namespace)?.metadata.labels ?? {};
  const chosen = labels[useWaypointLabel] === undefined ? ofNamespace : labels;
  const { [useWaypointLabel]: name = "none", [useWaypointNamespaceLabel]: home = namespace } = chosen;
  return name === "none" ? undefined : `${home}/${name}`;
}

/** The identity of a service account. */
export function identityFor(settings: MeshSettings, namespace: string, serviceAccount: string): SpiffeId {
  return formatSpiffeId({ trustDomain: settings.trustDomain, namespace, serviceAccount });
}

function waypointsByKey({ gateways, settings }: MeshObjects): Map<string, WaypointPlace> {
  return new Map(
    gateways.flatMap((gateway): [string, WaypointPlace][] => {
      const { namespace, name } = gateway.metadata;
      const address = addressOf(gateway);
      if (gateway.spec.gatewayClassName !== waypointClass || address === undefined) return [];
      return [
        [
          `${namespace}/${name}`,
          {
            namespace,
            name,
            address,
            identity: identityFor(settings, namespace, name),
            servesServices: ["service", "all"].includes(
              gateway.metadata.labels?.[waypointForLabel] ?? "service",
            ),
          },
        ],
      ];
    }),
  );
}

/** The address a Gateway was given. */
export function addressOf(gateway: GatewayObject): IpAddress | undefined {
  for (const { value } of gateway.status?.addresses ?? []) {
    const ip = parseIp(value);
    if (ip.ok) return ip.value;
  }
  return undefined;
}

function byKey<Kind extends { readonly metadata: { readonly namespace: string; readonly name: string } }>(
  objects: readonly Kind[],
): Map<string, Kind> {
  return new Map(objects.map((object) => [`${object.metadata.namespace}/${object.metadata.name}`, object]));
}

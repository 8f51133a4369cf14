/** The mesh, from objects to the four types that discovery serves; pure, and the one entrance of this folder. */
import type { Authorization } from "#core/proto/istio/authorization_pb.js";
import type { Address } from "#core/proto/istio/workload_pb.js";
import type { RevisionTemplate, RoutedService, Waypoint } from "#core/proto/lambient/discovery_pb.js";
import { indexMesh } from "./mesh-index.ts";
import type { MeshObjects, MeshSettings } from "./mesh-objects.ts";
import { translateAddresses, translateOwnWorkloads } from "./translate-addresses.ts";
import type { NamedPorts } from "./named-ports.ts";
import { sortPeerAuthentications } from "./resolve-peer-authentication.ts";
import { strictKey, strictPolicy, translatePeerAuthentications } from "./translate-peer-authentication.ts";
import { translatePolicy } from "./translate-policy.ts";
import { translateTemplates } from "./translate-templates.ts";
import { translateEdge, translateEdgeServices, translateWaypoints } from "./translate-waypoints.ts";

/** Resources by type and name. */
export interface MeshResources {
  readonly addresses: ReadonlyMap<string, Address>;
  readonly policies: ReadonlyMap<string, Authorization>;
  readonly templates: ReadonlyMap<string, RevisionTemplate>;
  readonly waypoints: ReadonlyMap<string, Waypoint>;
}

/** Those of one namespace, and its part of the edge. */
export interface NamespaceResources extends MeshResources {
  readonly edgeServices: readonly RoutedService[];
}

/** Translates one namespace, all but its Pods. @param objects its own, with the root namespace's policies */
export function translateNamespace(
  namespace: string,
  objects: MeshObjects,
  namedPorts: NamedPorts,
): NamespaceResources {
  const index = indexMesh(objects, namedPorts);
  return {
    addresses: translateAddresses(index),
    policies: translatePolicies(namespace, objects),
    templates: translateTemplates(index),
    waypoints: translateWaypoints(index),
    edgeServices: translateEdgeServices(index),
  };
}

/**
 * Translates what is the mesh's own: its workloads, and the edge over all namespaces' services.
 * @param isStrictKnown whether there are PeerAuthentications, which may name the policy that denies plain connections
 */
export function translateOwn(
  settings: MeshSettings,
  edgeServices: readonly RoutedService[],
  isStrictKnown: boolean,
): MeshResources {
  const { rootNamespace } = settings;
  return {
    addresses: translateOwnWorkloads(settings),
    policies: new Map(isStrictKnown ? [[strictKey(rootNamespace), strictPolicy(rootNamespace)]] : []),
    templates: new Map(),
    waypoints: new Map([[`${rootNamespace}/edge`, translateEdge(settings, edgeServices)]]),
  };
}

function translatePolicies(
  namespace: string,
  { policies, peerAuthentications, settings }: MeshObjects,
): Map<string, Authorization> {
  const rules = sortPeerAuthentications(peerAuthentications, namespace, settings.rootNamespace);
  const translated = policies
    .filter(({ metadata }) => metadata.namespace === namespace)
    .flatMap((policy): [string, Authorization][] => {
      const { key, message } = translatePolicy(policy, settings);
      return message === undefined ? [] : [[key, message]];
    });
  return new Map([...translated, ...translatePeerAuthentications(rules, rules.selecting)]);
}

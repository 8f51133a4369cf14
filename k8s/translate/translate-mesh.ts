/** The whole mesh, from objects to the four types that discovery serves; pure, and the one entrance of this folder. */
import { type Authorization } from "#core/proto/istio/authorization_pb.js";
import type { Address } from "#core/proto/istio/workload_pb.js";
import type { RevisionTemplate, Waypoint } from "#core/proto/lambient/discovery_pb.js";
import { indexMesh, type MeshIndex } from "./mesh-index.ts";
import type { MeshObjects } from "./mesh-objects.ts";
import { translateAddresses } from "./translate-addresses.ts";
import { translatePolicy } from "./translate-policy.ts";
import { translateTemplates } from "./translate-templates.ts";
import { translateWaypoints } from "./translate-waypoints.ts";

/** Resources by type and name. */
export interface MeshResources {
  readonly addresses: ReadonlyMap<string, Address>;
  readonly policies: ReadonlyMap<string, Authorization>;
  readonly templates: ReadonlyMap<string, RevisionTemplate>;
  readonly waypoints: ReadonlyMap<string, Waypoint>;
}

/** Translates everything. */
export function translateMesh(objects: MeshObjects): MeshResources {
  const index = indexMesh(objects);
  return {
    addresses: translateAddresses(index),
    policies: translatePolicies(index),
    templates: translateTemplates(index),
    waypoints: translateWaypoints(index),
  };
}

function translatePolicies({ objects, settings }: MeshIndex): Map<string, Authorization> {
  return new Map(
    objects.policies.flatMap((policy): [string, Authorization][] => {
      const { key, message } = translatePolicy(policy, settings);
      return message === undefined ? [] : [[key, message]];
    }),
  );
}

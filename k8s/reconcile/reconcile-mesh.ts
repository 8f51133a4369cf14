/** Everything there is to do for a mesh as it is observed; pure, and the one entrance of this folder. */
import { indexMesh } from "../translate/mesh-index.ts";
import type { MeshObjects } from "../translate/mesh-objects.ts";
import type { Action } from "./action.ts";
import { reconcileBindings } from "./reconcile-bindings.ts";
import { reconcileFunctions } from "./reconcile-functions.ts";
import { reconcileGateways } from "./reconcile-gateways.ts";
import { reconcilePeerAuthentications } from "./reconcile-peer-authentications.ts";
import { reconcilePolicies } from "./reconcile-policies.ts";
import { reconcileRevisions, type Verify } from "./reconcile-revisions.ts";
import { reconcileRoutes } from "./reconcile-routes.ts";

/** Decides. Done actions change the objects, which leads to a further decision, until there is nothing to do. @param now RFC 3339 */
export function reconcileMesh(objects: MeshObjects, verify: Verify, now: string): readonly Action[] {
  const index = indexMesh(objects);
  return [
    ...reconcileFunctions(index, now),
    ...reconcileGateways(index, now),
    ...reconcileRevisions(index, verify, now),
    ...reconcileRoutes(index, now),
    ...reconcilePolicies(index, now),
    ...reconcilePeerAuthentications(index, now),
    ...reconcileBindings(index, now),
  ];
}

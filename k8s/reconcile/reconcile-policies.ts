/** AuthorizationPolicies → whether ztunnels and waypoints enforce each, and what of it they cannot. */
import { canonicalJson } from "#core/release/canonical-json.ts";
import type { Condition } from "#host/kube/known-resources.ts";
import {
  type AuthorizationPolicyObject,
  authorizationPolicyResource,
} from "../model/authorization-policy.ts";
import type { MeshIndex } from "../translate/mesh-index.ts";
import { targetRefsOf, translatePolicy } from "../translate/translate-policy.ts";
import type { Action } from "./action.ts";
import { condition, mergeConditions } from "./conditions.ts";

/** Decides for every policy. @param now RFC 3339 */
export function reconcilePolicies(index: MeshIndex, now: string): readonly Action[] {
  return index.objects.policies.flatMap((policy) => reconcilePolicy(index, policy, now));
}

function reconcilePolicy(
  index: MeshIndex,
  policy: AuthorizationPolicyObject,
  now: string,
): readonly Action[] {
  const { namespace, name, generation } = policy.metadata;
  const { message, problems } = translatePolicy(policy, index.settings);
  const isForWaypoint = targetRefsOf(policy).length > 0;
  const verdict =
    message === undefined
      ? { reason: "UnsupportedValue", message: problems.join("; ") }
      : problems.length > 0
        ? {
            reason: "PartiallyInvalid",
            message: `Enforced more strictly than written: ${problems.join("; ")}`,
          }
        : { reason: "Accepted", message: "enforced as written" };
  const isWhole = message !== undefined && problems.length === 0;
  const ztunnel = isForWaypoint
    ? condition(
        "ZtunnelAccepted",
        false,
        { reason: "NotApplicable", message: "it targets a waypoint" },
        generation,
      )
    : condition("ZtunnelAccepted", isWhole, verdict, generation);
  const wanted = [ztunnel, condition("WaypointAccepted", isWhole, verdict, generation)];
  const existing = policy.status as { readonly conditions?: readonly Condition[] } | undefined;
  const status = { conditions: mergeConditions(existing?.conditions, wanted, now) };
  if (existing !== undefined && canonicalJson(existing) === canonicalJson(status)) return [];
  return [{ kind: "status", type: authorizationPolicyResource, key: { namespace, name }, status }];
}

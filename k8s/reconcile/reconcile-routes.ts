/** HTTPRoutes → what became of each at each of its parents that is ours (GEP-1364). */
import { canonicalJson } from "#core/release/canonical-json.ts";
import { err, ok, type Result } from "#core/result.ts";
import type { Condition } from "#host/kube/known-resources.ts";
import { type HttpRouteObject, httpRouteResource, type ParentRef } from "../model/http-route.ts";
import type { MeshIndex } from "../translate/mesh-index.ts";
import { translateBackendRefs } from "../translate/translate-backends.ts";
import { isFunctionRef, isParent, isServiceRef, unsupportedFilters } from "../translate/translate-routes.ts";
import type { Action } from "./action.ts";
import { condition, type ConditionDraft, mergeConditions } from "./conditions.ts";

/** Who we are in a route's status; parents of others are left alone. */
export const controllerName = "lambient.dev/mesh";

interface ParentStatus {
  readonly parentRef: ParentRef;
  readonly controllerName: string;
  readonly conditions: readonly Condition[];
}

/** Decides for every HTTPRoute. @param now RFC 3339 */
export function reconcileRoutes(index: MeshIndex, now: string): readonly Action[] {
  return index.objects.routes.flatMap((route) => reconcileRoute(index, route, now));
}

function reconcileRoute(index: MeshIndex, route: HttpRouteObject, now: string): readonly Action[] {
  const { namespace, name, generation } = route.metadata;
  const ours = (route.spec.parentRefs ?? []).filter((ref) => isServiceRef(ref) || isFunctionRef(ref));
  const existing = (route.status?.parents ?? []) as readonly ParentStatus[];
  const foreign = existing.filter((parent) => parent.controllerName !== controllerName);
  const resolved = resolvedCondition(index, route, generation);
  const parents = ours.map((parentRef) => {
    const wanted = [acceptedCondition(index, route, parentRef), resolved];
    const before = existing.find(
      (parent) =>
        parent.controllerName === controllerName &&
        canonicalJson(parent.parentRef) === canonicalJson(parentRef),
    );
    return { parentRef, controllerName, conditions: mergeConditions(before?.conditions, wanted, now) };
  });
  const status = { parents: [...foreign, ...parents] };
  const isSame = canonicalJson(route.status ?? { parents: [] }) === canonicalJson(status);
  return isSame ? [] : [{ kind: "status", type: httpRouteResource, key: { namespace, name }, status }];
}

function acceptedCondition(index: MeshIndex, route: HttpRouteObject, parentRef: ParentRef): ConditionDraft {
  const { generation } = route.metadata;
  const judged = judgeParent(index, route, parentRef);
  if (!judged.ok) return condition("Accepted", false, judged.error, generation);
  const filters = route.spec.rules.flatMap(unsupportedFilters);
  const message =
    filters.length > 0 ? `rules with ${filters.join(", ")} answer 500: not supported` : judged.value;
  const reason = filters.length > 0 ? "UnsupportedValue" : "Accepted";
  return condition("Accepted", filters.length === 0, { reason, message }, generation);
}

function judgeParent(
  index: MeshIndex,
  { metadata }: HttpRouteObject,
  ref: ParentRef,
): Result<string, { reason: string; message: string }> {
  const parent = `${ref.kind} ${ref.namespace ?? metadata.namespace}/${ref.name}`;
  if ((ref.namespace ?? metadata.namespace) !== metadata.namespace)
    return err({ reason: "NotAllowedByListeners", message: `${parent} is in another namespace` });
  for (const service of index.services.values()) {
    if (isParent(ref, service, metadata.namespace)) return ok(`the waypoint of ${parent} routes by it`);
  }
  return err({ reason: "NoMatchingParent", message: `${parent} does not exist, or has no such port` });
}

function resolvedCondition(
  index: MeshIndex,
  { metadata, spec }: HttpRouteObject,
  generation: number | undefined,
): ConditionDraft {
  const problems = spec.rules.flatMap(
    ({ backendRefs = [] }) => translateBackendRefs(index, metadata.namespace, backendRefs).problems,
  );
  const [first] = problems;
  if (first === undefined)
    return condition(
      "ResolvedRefs",
      true,
      { reason: "ResolvedRefs", message: "every backend exists" },
      generation,
    );
  const message = problems.map((problem) => problem.message).join("; ");
  return condition("ResolvedRefs", false, { reason: first.reason, message }, generation);
}

/** Services that name a waypoint → whether they stand behind it, and why not. Functions' Services are not told: their groups say it. */
import { canonicalJson } from "#core/release/canonical-json.ts";
import { serviceResource, type ServiceObject } from "../model/core-objects.ts";
import { type MeshIndex, waypointNameOf, waypointOfService } from "../translate/mesh-index.ts";
import { functionLabel } from "../translate/mesh-objects.ts";
import type { Action } from "./action.ts";
import { condition, mergeConditions } from "./conditions.ts";

const conditionType = "istio.io/WaypointBound";

/** Decides for every Service. @param now RFC 3339 */
export function reconcileBindings(index: MeshIndex, now: string): readonly Action[] {
  return [...index.services.values()].flatMap((service) => reconcileBinding(index, service, now));
}

function reconcileBinding(index: MeshIndex, service: ServiceObject, now: string): readonly Action[] {
  const { namespace, name, labels, deletionTimestamp } = service.metadata;
  if (labels?.[functionLabel] !== undefined || deletionTimestamp !== undefined) return [];
  const { status = {} } = service;
  const others = (status.conditions ?? []).filter(({ type }) => type !== conditionType);
  const told = bindingOf(index, service);
  const conditions = told === undefined ? others : mergeConditions(status.conditions, [told], now);
  if (canonicalJson(conditions) === canonicalJson(status.conditions ?? [])) return [];
  return [
    { kind: "status", type: serviceResource, key: { namespace, name }, status: { ...status, conditions } },
  ];
}

/** In Istio's words; undefined for a Service that names none. */
function bindingOf(index: MeshIndex, service: ServiceObject): ReturnType<typeof condition> | undefined {
  const key = waypointNameOf(index, service);
  if (key === undefined) return undefined;
  const { generation } = service.metadata;
  const because = (isBound: boolean, reason: string, message: string): ReturnType<typeof condition> =>
    condition(conditionType, isBound, { reason, message }, generation);
  if (waypointOfService(index, service) !== undefined)
    return because(true, "WaypointAccepted", `Successfully attached to waypoint ${key}`);
  if (!key.startsWith(`${service.metadata.namespace}/`))
    return because(
      false,
      "AttachmentDenied",
      `waypoint ${key} is in another namespace, which is not served here`,
    );
  return index.waypoints.has(key)
    ? because(false, "UnsupportedTrafficType", `waypoint ${key} does not take connections to services`)
    : because(false, "WaypointMissing", `there is no waypoint ${key} that has an address`);
}

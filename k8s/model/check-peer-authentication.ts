/** What a PeerAuthentication must keep to that its schema cannot say: modes of ports hold for selected workloads only. */
import { objectOr } from "../api/json.ts";
import { type FieldFault, invalidValue } from "../api/refusal.ts";
import type { WorkingObject } from "../api/working-object.ts";

/** Faults of a PeerAuthentication. */
export function checkPeerAuthentication(object: WorkingObject): readonly FieldFault[] {
  const spec = objectOr(object["spec"]);
  if (spec["portLevelMtls"] === undefined) return [];
  const ports = Object.keys(objectOr(spec["portLevelMtls"]));
  const labels = objectOr(objectOr(spec["selector"])["matchLabels"]);
  const faults = ports
    .filter((port) => !/^\d{1,5}$/.test(port) || Number(port) < 1 || Number(port) > 65_535)
    .map((port) => invalidValue("spec.portLevelMtls", port, "must be port numbers, 1 to 65535"));
  if (Object.keys(labels).length > 0) return faults;
  return [...faults, invalidValue("spec.portLevelMtls", ports.join(","), "portLevelMtls requires selector")];
}

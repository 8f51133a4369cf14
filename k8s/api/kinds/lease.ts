/** coordination.k8s.io/v1 Lease: its names and its columns. */
import type { KindDefinition } from "../kind.ts";
import { type FieldFault, invalidValue } from "../refusal.ts";
import type { WorkingObject } from "../working-object.ts";
import { builtinKind } from "./builtin-kind.ts";
import { age, specOf, text } from "./columns.ts";
import type { KubeSchemas } from "./kube-schemas.ts";

/** The kind. */
export function leaseKind(schemas: KubeSchemas): KindDefinition {
  return builtinKind(schemas, {
    names: ["leases", "lease", "Lease"],
    group: "coordination.k8s.io",
    definition: "coordination.v1.Lease",
    check: durationFaults,
    columns: [text("Holder", ".spec.holderIdentity"), age],
  });
}

function durationFaults(lease: WorkingObject): readonly FieldFault[] {
  const { leaseDurationSeconds } = specOf(lease);
  if (typeof leaseDurationSeconds !== "number" || leaseDurationSeconds > 0) return [];
  return [invalidValue("spec.leaseDurationSeconds", leaseDurationSeconds, "must be greater than 0")];
}

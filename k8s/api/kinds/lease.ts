/** coordination.k8s.io/v1 Lease: its names and its columns. */
import type { KindDefinition } from "../kind.ts";
import { builtinKind } from "./builtin-kind.ts";
import { age, text } from "./columns.ts";
import type { KubeSchemas } from "./kube-schemas.ts";

/** The kind. */
export function leaseKind(schemas: KubeSchemas): KindDefinition {
  return builtinKind(schemas, {
    names: ["leases", "lease", "Lease"],
    group: "coordination.k8s.io",
    definition: "coordination.v1.Lease",
    columns: [text("Holder", ".spec.holderIdentity"), age],
  });
}

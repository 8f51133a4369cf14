/** coordination.k8s.io/v1 Lease: its names and its columns. */
import { builtinKind } from "./builtin-kind.ts";
import { age, text } from "./columns.ts";
import { openSchema } from "./open-schema.ts";
import type { KindDefinition } from "../kind.ts";

/** The kind. */
export const leaseKind: KindDefinition = builtinKind({
  names: ["leases", "lease", "Lease"],
  group: "coordination.k8s.io",
  schema: openSchema,
  columns: [text("Holder", ".spec.holderIdentity"), age],
});

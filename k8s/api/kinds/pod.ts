/** v1 Pod: its names, its columns, its fields and what the API itself decides of it. Running it is the node's matter. */
import type { KindDefinition } from "../kind.ts";
import { builtinKind } from "./builtin-kind.ts";
import { specOf } from "./columns.ts";
import type { KubeSchemas } from "./kube-schemas.ts";
import { podSpecFaults } from "./pod-checks.ts";
import { podColumns } from "./pod-columns.ts";
import { podRules } from "./pod-rules.ts";

/** The kind. */
export function podKind(schemas: KubeSchemas): KindDefinition {
  return builtinKind(schemas, {
    names: ["pods", "pod", "Pod"],
    definition: "core.v1.Pod",
    shortNames: ["po"],
    categories: ["all"],
    columns: podColumns,
    fields: [
      ...["nodeName", "restartPolicy", "schedulerName", "serviceAccountName", "hostNetwork"].map(
        (field) => `spec.${field}`,
      ),
      ...["phase", "podIP", "podIPs", "nominatedNodeName"].map((field) => `status.${field}`),
    ],
    check: (pod) => podSpecFaults(specOf(pod), "spec"),
    rules: podRules,
    more: { hasStatus: true, countsGeneration: true },
  });
}

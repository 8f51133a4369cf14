/** v1 Pod: its names, its columns, its fields and what the API itself decides of it. Running it is the node's matter. */
import { arrayOr, objectOr, textOr } from "../json.ts";
import type { KindDefinition } from "../kind.ts";
import { builtinKind } from "./builtin-kind.ts";
import { specOf, statusOf } from "./columns.ts";
import type { KubeSchemas } from "./kube-schemas.ts";
import { podSpecFaults } from "./pod-checks.ts";
import { endOf, podColumns } from "./pod-columns.ts";
import { podRules } from "./pod-rules.ts";
import { selectableFields } from "./selectable-fields.ts";

const fields = selectableFields(
  [
    "spec.nodeName",
    "spec.restartPolicy",
    "spec.schedulerName",
    "spec.serviceAccountName",
    "status.phase",
    "status.nominatedNodeName",
  ],
  {
    // An older name of spec.nodeName.
    "spec.host": (pod) => textOr(specOf(pod)["nodeName"]),
    "spec.hostNetwork": (pod) => String(specOf(pod)["hostNetwork"] === true),
    "status.podIP": (pod) => textOr(objectOr(arrayOr(statusOf(pod)["podIPs"])[0])["ip"]),
    // Known and always empty, as it is there.
    "status.podIPs": () => "",
  },
);

/** The kind. */
export function podKind(schemas: KubeSchemas): KindDefinition {
  return builtinKind(schemas, {
    names: ["pods", "pod", "Pod"],
    definition: "core.v1.Pod",
    shortNames: ["po"],
    categories: ["all"],
    columns: podColumns,
    rowConditions: endOf,
    check: (pod) => podSpecFaults(specOf(pod), "spec"),
    rules: podRules,
    more: { hasStatus: true, countsGeneration: true, fields },
  });
}

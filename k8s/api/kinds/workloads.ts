/** Kinds that make Pods: Deployment, ReplicaSet, StatefulSet, DaemonSet (apps/v1) and Job (batch/v1). What they make is their controllers' matter. */
import type { KindDefinition, PrinterColumn } from "../kind.ts";
import { builtinKind } from "./builtin-kind.ts";
import { age } from "./columns.ts";
import { openSchema } from "./open-schema.ts";

const scale: KindDefinition["scale"] = { specReplicas: ".spec.replicas", statusReplicas: ".status.replicas" };

function workload(
  names: readonly [resource: string, singular: string, kind: string],
  shortNames: readonly string[],
  columns: readonly PrinterColumn[],
  more: Partial<KindDefinition>,
): KindDefinition {
  return builtinKind({
    names,
    shortNames,
    columns,
    group: "apps",
    categories: ["all"],
    schema: openSchema,
    rules: {
      onCreate(object) {
        object["status"] = {};
        return [];
      },
    },
    more: { hasStatus: true, countsGeneration: true, ...more },
  });
}

/** apps/v1 Deployment. */
export const deploymentKind: KindDefinition = workload(
  ["deployments", "deployment", "Deployment"],
  ["deploy"],
  [age],
  { scale },
);

/** apps/v1 ReplicaSet. */
export const replicaSetKind: KindDefinition = workload(
  ["replicasets", "replicaset", "ReplicaSet"],
  ["rs"],
  [age],
  { scale },
);

/** apps/v1 StatefulSet. */
export const statefulSetKind: KindDefinition = workload(
  ["statefulsets", "statefulset", "StatefulSet"],
  ["sts"],
  [age],
  { scale },
);

/** apps/v1 DaemonSet. */
export const daemonSetKind: KindDefinition = workload(
  ["daemonsets", "daemonset", "DaemonSet"],
  ["ds"],
  [age],
  {},
);

/** batch/v1 Job. */
export const jobKind: KindDefinition = workload(["jobs", "job", "Job"], [], [age], { group: "batch" });

/** Kinds that make Pods: Deployment, ReplicaSet, StatefulSet, DaemonSet (apps/v1) and Job (batch/v1). What they make is their controllers' matter. */
import type { KindDefinition } from "../kind.ts";
import { builtinKind } from "./builtin-kind.ts";
import { numberOr0, statusOf } from "./columns.ts";
import type { KubeSchemas } from "./kube-schemas.ts";
import { jobCheck, workloadCheck } from "./workload-checks.ts";
import { beginsWith, daemonSetRules, jobRules } from "./workload-rules.ts";
import {
  daemonSetColumns,
  deploymentColumns,
  jobColumns,
  replicaSetColumns,
  statefulSetColumns,
} from "./workload-columns.ts";

const scale = { specReplicas: ".spec.replicas", statusReplicas: ".status.replicas" };
const shared = { group: "apps", categories: ["all"] } as const;
const counted = { hasStatus: true, countsGeneration: true } as const;

/** The five kinds. */
export function workloadKinds(schemas: KubeSchemas): readonly KindDefinition[] {
  return [
    builtinKind(schemas, {
      ...shared,
      names: ["deployments", "deployment", "Deployment"],
      shortNames: ["deploy"],
      definition: "apps.v1.Deployment",
      columns: deploymentColumns,
      check: workloadCheck("deployment"),
      rules: beginsWith({}),
      more: { ...counted, scale },
    }),
    builtinKind(schemas, {
      ...shared,
      names: ["replicasets", "replicaset", "ReplicaSet"],
      shortNames: ["rs"],
      definition: "apps.v1.ReplicaSet",
      columns: replicaSetColumns,
      check: workloadCheck("replicaset"),
      rules: beginsWith({ replicas: 0 }),
      more: { ...counted, scale },
    }),
    builtinKind(schemas, {
      ...shared,
      names: ["statefulsets", "statefulset", "StatefulSet"],
      shortNames: ["sts"],
      definition: "apps.v1.StatefulSet",
      columns: statefulSetColumns,
      check: workloadCheck("statefulset"),
      rules: beginsWith({ replicas: 0, availableReplicas: 0 }),
      more: { ...counted, scale },
    }),
    builtinKind(schemas, {
      ...shared,
      names: ["daemonsets", "daemonset", "DaemonSet"],
      shortNames: ["ds"],
      definition: "apps.v1.DaemonSet",
      columns: daemonSetColumns,
      check: workloadCheck("daemonset"),
      rules: daemonSetRules({
        currentNumberScheduled: 0,
        numberMisscheduled: 0,
        desiredNumberScheduled: 0,
        numberReady: 0,
      }),
      more: counted,
    }),
    builtinKind(schemas, {
      group: "batch",
      categories: ["all"],
      names: ["jobs", "job", "Job"],
      definition: "batch.v1.Job",
      columns: jobColumns,
      fields: ["status.successful"],
      fieldText: { "status.successful": (job) => String(numberOr0(statusOf(job)["succeeded"])) },
      check: jobCheck,
      rules: jobRules,
      more: counted,
    }),
  ];
}

/** Kinds that make Pods: Deployment, ReplicaSet, StatefulSet, DaemonSet (apps/v1), with their history, and Job (batch/v1). What they make is their controllers' matter. */
import type { KindDefinition } from "../kind.ts";
import { builtinKind } from "./builtin-kind.ts";
import { numberOr0, statusOf } from "./columns.ts";
import type { KubeSchemas } from "./kube-schemas.ts";
import { selectableFields } from "./selectable-fields.ts";
import { jobCheck, workloadCheck } from "./workload-checks.ts";
import { beginsWith, daemonSetRules, jobRules } from "./workload-rules.ts";
import {
  controllerRevisionColumns,
  daemonSetColumns,
  deploymentColumns,
  jobColumns,
  replicaSetColumns,
  statefulSetColumns,
} from "./workload-columns.ts";

const scale = { specReplicas: ".spec.replicas", statusReplicas: ".status.replicas" };
const shared = { group: "apps", categories: ["all"] } as const;
const counted = { hasStatus: true, countsGeneration: true } as const;

/** The kinds. */
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
      group: "apps",
      names: ["controllerrevisions", "controllerrevision", "ControllerRevision"],
      definition: "apps.v1.ControllerRevision",
      columns: controllerRevisionColumns,
    }),
    jobKind(schemas),
  ];
}

function jobKind(schemas: KubeSchemas): KindDefinition {
  return builtinKind(schemas, {
    group: "batch",
    categories: ["all"],
    names: ["jobs", "job", "Job"],
    definition: "batch.v1.Job",
    columns: jobColumns,
    check: jobCheck,
    rules: jobRules,
    more: {
      ...counted,
      fields: {
        ...selectableFields([], {
          "status.successful": (job) => String(numberOr0(statusOf(job)["succeeded"])),
        }),
        refusal: (field) => `field label ${JSON.stringify(field)} not supported for Job`,
      },
    },
  });
}

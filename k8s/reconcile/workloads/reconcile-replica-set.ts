/** A ReplicaSet and the Pods of its namespace → Pods to make, to delete, and its status. */
import { canonicalJson } from "#core/release/canonical-json.ts";
import { timestamp } from "../../api/write-context.ts";
import { type PodObject, podResource } from "../../model/pod.ts";
import { type ReplicaSetObject, replicaSetResource, type ReplicaSetStatus } from "../../model/workload.ts";
import { claim } from "./owned.ts";
import { podFromTemplate } from "./pod-from-template.ts";
import {
  byLeastMissed,
  isActive,
  isAvailable,
  isReady,
  isTerminal,
  isTerminating,
  nextAvailableMs,
} from "./pod-facts.ts";
import { type Decision, decision, keyOf, type WorkloadAction } from "./workload-action.ts";
import { findCondition, withCondition, withoutCondition } from "./workload-conditions.ts";

/** Pods made or deleted in one step, so that other objects get their turn. */
export const podsPerStep = 100;

/** What is known besides the objects. */
export interface ReplicaSetFacts {
  readonly set: ReplicaSetObject;
  /** Of its namespace. */
  readonly pods: readonly PodObject[];
  /** Why the last try to make or delete a Pod failed, if it did. */
  readonly failure?: { readonly reason: "FailedCreate" | "FailedDelete"; readonly message: string };
  readonly nowMs: number;
}

/** Decides. */
export function reconcileReplicaSet(facts: ReplicaSetFacts): Decision {
  const { set, pods, nowMs } = facts;
  const { owned, actions } = claim(
    { owner: set, ownerType: replicaSetResource, selector: set.spec.selector, type: podResource },
    pods.filter((pod) => !isTerminal(pod)),
  );
  const minReady = set.spec.minReadySeconds ?? 0;
  const active = owned.filter(isActive);
  const isOpen = set.metadata.deletionTimestamp === undefined;
  const changes = isOpen ? changePods(set, active) : [];
  return decision(
    // The status first: it must be written also when Pods cannot be made.
    [...actions, ...changeStatus(facts, owned), ...changes],
    nextAvailableMs(active, minReady, nowMs),
  );
}

function changePods(set: ReplicaSetObject, active: readonly PodObject[]): readonly WorkloadAction[] {
  const missing = (set.spec.replicas ?? 1) - active.length;
  if (missing > 0) return Array.from({ length: Math.min(missing, podsPerStep) }, () => makePod(set));
  if (missing === 0) return [];
  return [...active]
    .sort(byLeastMissed)
    .slice(0, Math.min(-missing, podsPerStep))
    .map((pod) => deletePod(set, pod));
}

function makePod(set: ReplicaSetObject): WorkloadAction {
  const about = { about: set } as const;
  return {
    kind: "create",
    type: podResource,
    draft: podFromTemplate(set.spec.template, { type: replicaSetResource, object: set }),
    saying: {
      onDone: { ...about, type: "Normal", reason: "SuccessfulCreate", message: "Created pod: {name}" },
      onFailure: { ...about, type: "Warning", reason: "FailedCreate", message: "Error creating: {error}" },
    },
  };
}

function deletePod(set: ReplicaSetObject, pod: PodObject): WorkloadAction {
  const about = { about: set } as const;
  return {
    kind: "delete",
    type: podResource,
    key: keyOf(pod),
    uid: pod.metadata.uid,
    saying: {
      onDone: { ...about, type: "Normal", reason: "SuccessfulDelete", message: "Deleted pod: {name}" },
      onFailure: { ...about, type: "Warning", reason: "FailedDelete", message: "Error deleting: {error}" },
    },
  };
}

function changeStatus(
  { set, failure, nowMs }: ReplicaSetFacts,
  owned: readonly PodObject[],
): readonly WorkloadAction[] {
  const minReady = set.spec.minReadySeconds ?? 0;
  const active = owned.filter(isActive);
  const templateLabels = Object.entries(set.spec.template.metadata?.labels ?? {});
  const labeled = active.filter(({ metadata }) =>
    templateLabels.every(([name, value]) => metadata.labels?.[name] === value),
  );
  const counts = {
    fullyLabeledReplicas: labeled.length,
    readyReplicas: active.filter(isReady).length,
    availableReplicas: active.filter((pod) => isAvailable(pod, minReady, nowMs)).length,
  };
  const conditions = failureConditions(set, failure, nowMs);
  const { generation } = set.metadata;
  const status: ReplicaSetStatus = {
    replicas: active.length,
    ...Object.fromEntries(Object.entries(counts).filter(([, count]) => count > 0)),
    terminatingReplicas: owned.filter(isTerminating).length,
    ...(generation === undefined ? {} : { observedGeneration: generation }),
    ...(conditions.length === 0 ? {} : { conditions }),
  };
  if (canonicalJson(set.status ?? {}) === canonicalJson(status)) return [];
  return [{ kind: "status", type: replicaSetResource, key: keyOf(set), status }];
}

function failureConditions(
  { status }: ReplicaSetObject,
  failure: ReplicaSetFacts["failure"],
  nowMs: number,
): NonNullable<ReplicaSetStatus["conditions"]> {
  const before = status?.conditions ?? [];
  const old = findCondition(before, "ReplicaFailure");
  if (failure === undefined) return old === undefined ? before : withoutCondition(before, "ReplicaFailure");
  return withCondition(before, {
    type: "ReplicaFailure",
    status: "True",
    ...failure,
    lastTransitionTime: timestamp(nowMs),
  });
}

/** What a Deployment says about its rollout: that it goes on, is done, is late or paused, and the failure that a ReplicaSet reports. */
import { timestamp } from "../../api/write-context.ts";
import type {
  DeploymentObject,
  DeploymentStatus,
  ReplicaSetObject,
  WorkloadCondition,
} from "../../model/workload.ts";
import { findCondition, withCondition, withoutCondition } from "../workloads/workload-conditions.ts";
import { wantedOf } from "./replica-counts.ts";

/** A Deployment with what it has made. */
export interface DeploymentSets {
  readonly deployment: DeploymentObject;
  readonly newSet: ReplicaSetObject | undefined;
  readonly old: readonly ReplicaSetObject[];
  readonly nowMs: number;
}

/** A Deployment without a deadline has the greatest number there. */
const noDeadline = 2 ** 31 - 1;

/** The conditions, given the counts. */
export function rolloutConditions(
  sets: DeploymentSets,
  status: DeploymentStatus,
): readonly WorkloadCondition[] {
  const conditions = status.conditions ?? [];
  const failure = findFailure(sets);
  const known = findCondition(conditions, "ReplicaFailure");
  const others = withoutCondition(conditions, "ReplicaFailure");
  const failed = failure === undefined ? others : [...others, dated(sets.nowMs, failure)];
  const settled = isSame(known, failure) ? conditions : failed;
  return hasDeadline(sets.deployment)
    ? withProgress(sets, status, settled)
    : withoutCondition(settled, "Progressing");
}

/** Whether every Pod is of the newest template, there and available. */
export function isComplete({ deployment }: DeploymentSets, status: DeploymentStatus): boolean {
  const wanted = wantedOf(deployment);
  const { updatedReplicas = 0, replicas = 0, availableReplicas = 0, observedGeneration = 0 } = status;
  const isSeen = observedGeneration >= (deployment.metadata.generation ?? 0);
  return isSeen && [updatedReplicas, replicas, availableReplicas].every((count) => count === wanted);
}

/** When a rollout that does not move is late; undefined when nothing is waited for. */
export function lateInMs(
  { deployment, nowMs }: DeploymentSets,
  status: DeploymentStatus,
): number | undefined {
  const progressing = findCondition(status.conditions, "Progressing");
  if (!hasDeadline(deployment) || progressing?.status !== "True") return undefined;
  if (progressing.reason === "NewReplicaSetAvailable") return undefined;
  // The deadline is over once it is passed by: a little later.
  return lateAtMs(deployment, progressing) - nowMs + 1;
}

/** A condition that is since now, unless it says otherwise. */
export function dated(nowMs: number, condition: WorkloadCondition): WorkloadCondition {
  const now = timestamp(nowMs);
  const { type, status, ...rest } = condition;
  return { type, status, lastUpdateTime: now, ...rest, lastTransitionTime: rest.lastTransitionTime ?? now };
}

function withProgress(
  sets: DeploymentSets,
  status: DeploymentStatus,
  conditions: readonly WorkloadCondition[],
): readonly WorkloadCondition[] {
  const { deployment, nowMs } = sets;
  const current = findCondition(conditions, "Progressing");
  if (deployment.spec.paused === true) return withPause(conditions, current, nowMs);
  const wasDone = current?.reason === "NewReplicaSetAvailable";
  if (wasDone && outdatedOf(status) === 0) return conditions;
  if (isComplete(sets, status)) return withCondition(conditions, done(sets));
  if (isMoving(deployment.status ?? {}, status)) return withMove(sets, conditions, current);
  if (current !== undefined && isAfterDeadline(deployment, current, nowMs)) {
    return withCondition(conditions, timedOut(sets));
  }
  return current?.reason === "DeploymentPaused" ? withCondition(conditions, resumed(nowMs)) : conditions;
}

/** Put anew even when it says the same: the time of the last move is what the deadline counts from. */
function withMove(
  sets: DeploymentSets,
  conditions: readonly WorkloadCondition[],
  current: WorkloadCondition | undefined,
): readonly WorkloadCondition[] {
  const reason = "ReplicaSetUpdated";
  const message = `${subject(sets)} is progressing.`;
  const moved = dated(sets.nowMs, { type: "Progressing", status: "True", reason, message });
  const since = current?.status === "True" ? current.lastTransitionTime : moved.lastTransitionTime;
  const next = since === undefined ? moved : { ...moved, lastTransitionTime: since };
  return [...withoutCondition(conditions, "Progressing"), next];
}

function done(sets: DeploymentSets): WorkloadCondition {
  const reason = "NewReplicaSetAvailable";
  const message = `${subject(sets)} has successfully progressed.`;
  return dated(sets.nowMs, { type: "Progressing", status: "True", reason, message });
}

function timedOut(sets: DeploymentSets): WorkloadCondition {
  const reason = "ProgressDeadlineExceeded";
  const message = `${subject(sets)} has timed out progressing.`;
  return dated(sets.nowMs, { type: "Progressing", status: "False", reason, message });
}

function resumed(nowMs: number): WorkloadCondition {
  const reason = "DeploymentResumed";
  return dated(nowMs, { type: "Progressing", status: "Unknown", reason, message: "Deployment is resumed" });
}

function subject({ deployment, newSet }: DeploymentSets): string {
  return newSet === undefined
    ? `Deployment "${deployment.metadata.name}"`
    : `ReplicaSet "${newSet.metadata.name}"`;
}

function withPause(
  conditions: readonly WorkloadCondition[],
  current: WorkloadCondition | undefined,
  nowMs: number,
): readonly WorkloadCondition[] {
  if (current?.reason === "ProgressDeadlineExceeded") return conditions;
  const reason = "DeploymentPaused";
  const message = "Deployment is paused";
  return withCondition(conditions, dated(nowMs, { type: "Progressing", status: "Unknown", reason, message }));
}

function isMoving(before: DeploymentStatus, after: DeploymentStatus): boolean {
  const grew = (name: "updatedReplicas" | "readyReplicas" | "availableReplicas"): boolean =>
    (after[name] ?? 0) > (before[name] ?? 0);
  const isLessOutdated = outdatedOf(after) < outdatedOf(before);
  return grew("updatedReplicas") || isLessOutdated || grew("readyReplicas") || grew("availableReplicas");
}

function outdatedOf({ replicas = 0, updatedReplicas = 0 }: DeploymentStatus): number {
  return replicas - updatedReplicas;
}

function isAfterDeadline(
  deployment: DeploymentObject,
  progressing: WorkloadCondition,
  nowMs: number,
): boolean {
  if (progressing.reason === "NewReplicaSetAvailable") return false;
  if (progressing.reason === "ProgressDeadlineExceeded") return true;
  return nowMs > lateAtMs(deployment, progressing);
}

function lateAtMs({ spec }: DeploymentObject, { lastUpdateTime }: WorkloadCondition): number {
  return Date.parse(lastUpdateTime ?? "") + (spec.progressDeadlineSeconds ?? 600) * 1000;
}

function hasDeadline({ spec }: DeploymentObject): boolean {
  return spec.progressDeadlineSeconds !== undefined && spec.progressDeadlineSeconds !== noDeadline;
}

/** The newest ReplicaSet's failure, else an old one's. */
function findFailure({ newSet, old }: DeploymentSets): WorkloadCondition | undefined {
  const [first] = [...(newSet === undefined ? [] : [newSet]), ...old].flatMap(({ status }) => {
    const found = findCondition(status?.conditions, "ReplicaFailure");
    return found === undefined ? [] : [found];
  });
  return first;
}

function isSame(one: WorkloadCondition | undefined, other: WorkloadCondition | undefined): boolean {
  return one?.status === other?.status && one?.reason === other?.reason;
}

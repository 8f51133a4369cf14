/** A Job and its namespace's Pods → Pods to make, to count, to delete, and its status until it is complete or has failed. */
import { canonicalJson } from "#core/release/canonical-json.ts";
import { timestamp } from "../../api/write-context.ts";
import { type JobObject, jobResource, type JobStatus } from "../../model/job.ts";
import { type PodObject, podResource } from "../../model/pod.ts";
import { claim, controllerOf } from "../workloads/owned.ts";
import { isActive, isReady, isTerminal, isTerminating } from "../workloads/pod-facts.ts";
import { type Decision, decision, keyOf, sooner, type WorkloadAction } from "../workloads/workload-action.ts";
import { findCondition } from "../workloads/workload-conditions.ts";
import { countPods, hasFailed, isHeld, letGo } from "./count-pods.ts";
import { changeJobPods, type JobPods } from "./job-pods.ts";
import { isIndexed } from "./job-indexes.ts";
import { decideEnd, finishedAtMs, isFinished, nextConditions } from "./job-end.ts";

/** What is known. */
export interface JobFacts {
  readonly job: JobObject;
  /** Of its namespace. */
  readonly pods: readonly PodObject[];
  readonly nowMs: number;
}

/** Decides. */
export function reconcileJob({ job, pods, nowMs }: JobFacts): Decision {
  const selector = job.spec.selector ?? {};
  const { owned, actions } = claim({ owner: job, ownerType: jobResource, selector, type: podResource }, pods);
  if (job.metadata.deletionTimestamp !== undefined) {
    return decision(owned.filter((pod) => isHeld(pod)).map(letGo));
  }
  if (isFinished(job)) return expire(job, owned, nowMs);
  const startMs = Date.parse(job.status?.startTime ?? "");
  const counts = countPods(job, owned);
  const known: JobPods = {
    job,
    counts,
    active: owned.filter((pod) => isActive(pod) && !hasFailed(job, pod)),
    terminating: owned.filter((pod) => isTerminating(pod) && !isTerminal(pod)),
    failed: owned.filter((pod) => pod.status?.phase === "Failed"),
    succeeded: owned.filter((pod) => pod.status?.phase === "Succeeded"),
    nowMs,
  };
  const end = decideEnd(known);
  const changes = changeJobPods(known, end);
  const status = statusOf(known, end);
  const isSame = canonicalJson(job.status ?? {}) === canonicalJson(status.status);
  const write: WorkloadAction = { kind: "status", type: jobResource, key: keyOf(job), status: status.status };
  const deadlineMs =
    job.spec.activeDeadlineSeconds === undefined || Number.isNaN(startMs) || end !== undefined
      ? undefined
      : startMs + job.spec.activeDeadlineSeconds * 1000 - nowMs;
  return decision(
    [...actions, ...counts.actions, ...(isSame ? [] : [write]), ...status.events, ...changes.actions],
    sooner(changes.againMs, deadlineMs),
  );
}

/** A Pod that is held for a Job which is no more would be held for ever. */
export function releaseOrphan(pod: PodObject, jobs: ReadonlySet<string>): readonly WorkloadAction[] {
  if (!isHeld(pod)) return [];
  const controller = controllerOf(pod);
  const isCounted = controller !== undefined && controller.kind === "Job" && jobs.has(controller.uid);
  return isCounted ? [] : [letGo(pod)];
}

/** What is left of one that is over: its time. */
function expire(job: JobObject, owned: readonly PodObject[], nowMs: number): Decision {
  const held = owned.filter((pod) => isHeld(pod)).map(letGo);
  const { ttlSecondsAfterFinished: seconds } = job.spec;
  if (seconds === undefined) return decision(held);
  const inMs = finishedAtMs(job) + seconds * 1000 - nowMs;
  if (inMs > 0) return decision(held, inMs);
  const { uid } = job.metadata;
  // A Job leaves its Pods behind unless it is told to take them along.
  const propagation = "Foreground";
  return decision([...held, { kind: "delete", type: jobResource, key: keyOf(job), uid, propagation }]);
}

function statusOf(
  known: JobPods,
  end: ReturnType<typeof decideEnd>,
): { readonly status: JobStatus; readonly events: readonly WorkloadAction[] } {
  const { job, counts, active, terminating, nowMs } = known;
  const { conditions, events } = nextConditions(known, end);
  const isSuspended = job.spec.suspend === true;
  const startTime = isSuspended ? undefined : (job.status?.startTime ?? timestamp(nowMs));
  const complete = findCondition(conditions, "Complete");
  const positive = Object.entries({
    active: active.length,
    succeeded: counts.succeeded,
    failed: counts.failed,
  }).filter(([, count]) => count > 0);
  const status: JobStatus = {
    ...(conditions.length === 0 ? {} : { conditions }),
    ...(startTime === undefined ? {} : { startTime }),
    ...(complete?.lastTransitionTime === undefined ? {} : { completionTime: complete.lastTransitionTime }),
    ...Object.fromEntries(positive),
    ...(isIndexed(job) && counts.completedIndexes !== ""
      ? { completedIndexes: counts.completedIndexes }
      : {}),
    uncountedTerminatedPods: counts.uncounted,
    ready: active.filter(isReady).length,
    terminating: terminating.length,
  };
  return { status, events: events.map((event) => ({ kind: "event", event })) };
}

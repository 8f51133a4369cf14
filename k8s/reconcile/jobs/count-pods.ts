/**
 * How a Job's ended Pods are counted, each exactly once, though Pods may be deleted and controllers be killed at any time:
 * a finalizer holds an ended Pod until its uid stands in the status; then the Pod is let go, and the uid becomes a number.
 */
import type { JobObject } from "../../model/job.ts";
import { type PodObject, podResource } from "../../model/pod.ts";
import { isTerminating } from "../workloads/pod-facts.ts";
import { keyOf, type WorkloadAction } from "../workloads/workload-action.ts";
import { formatIndexes, indexOf, isIndexed, parseIndexes } from "./job-indexes.ts";

/** Holds a Pod of a Job until it is counted. */
export const trackingFinalizer = "batch.kubernetes.io/job-tracking";

/** Uids noted in one step, so that a status stays small. */
const notedMax = 500;

/** The counts after this step. */
export interface PodCounts {
  readonly succeeded: number;
  readonly failed: number;
  /** Those whose Pods are held still. */
  readonly uncounted: { readonly succeeded?: readonly string[]; readonly failed?: readonly string[] };
  readonly completedIndexes: string;
  /** Counted and uncounted together: what decisions go by. */
  readonly allSucceeded: number;
  readonly allFailed: number;
  readonly indexes: ReadonlySet<number>;
  /** Lets go of Pods that were noted; must succeed before the counts are written. */
  readonly actions: readonly WorkloadAction[];
}

/** Counts. @param pods the Job's own */
export function countPods(job: JobObject, pods: readonly PodObject[]): PodCounts {
  const { succeeded = 0, failed = 0, uncountedTerminatedPods: noted = {} } = job.status ?? {};
  const notedSucceeded = noted.succeeded ?? [];
  const notedFailed = noted.failed ?? [];
  const isNoted = new Set([...notedSucceeded, ...notedFailed]);
  const fresh = pods.filter((pod) => isHeld(pod) && !isNoted.has(pod.metadata.uid)).slice(0, notedMax);
  const freshSucceeded = fresh.filter((pod) => hasSucceeded(pod));
  const freshFailed = fresh.filter((pod) => hasFailed(job, pod));
  const indexes = countIndexes(job, pods, new Set([...notedSucceeded, ...freshSucceeded.map(uidOf)]));
  const countedSucceeded = isIndexed(job) ? indexes.counted.size : succeeded + notedSucceeded.length;
  return {
    succeeded: countedSucceeded,
    failed: failed + notedFailed.length,
    uncounted: {
      ...(freshSucceeded.length === 0 ? {} : { succeeded: freshSucceeded.map(uidOf) }),
      ...(freshFailed.length === 0 ? {} : { failed: freshFailed.map(uidOf) }),
    },
    completedIndexes: formatIndexes(indexes.counted),
    allSucceeded: isIndexed(job) ? indexes.all.size : countedSucceeded + freshSucceeded.length,
    allFailed: failed + notedFailed.length + freshFailed.length,
    indexes: indexes.all,
    actions: pods.filter((pod) => isHeld(pod) && isNoted.has(pod.metadata.uid)).map(letGo),
  };
}

/** Whether the Pod counts as a success. */
export function hasSucceeded({ status }: PodObject): boolean {
  return status?.phase === "Succeeded";
}

/** Whether the Pod counts as a failure: one that is being deleted does, unless the Job wants to see its end. */
export function hasFailed({ spec }: JobObject, pod: PodObject): boolean {
  if (pod.status?.phase === "Failed") return true;
  return spec.podReplacementPolicy !== "Failed" && isTerminating(pod) && !hasSucceeded(pod);
}

/** Lets a Pod go. */
export function letGo(pod: PodObject): WorkloadAction {
  const finalizers = (pod.metadata.finalizers ?? []).filter((name) => name !== trackingFinalizer);
  const { resourceVersion } = pod.metadata;
  return {
    kind: "patch",
    type: podResource,
    key: keyOf(pod),
    value: { metadata: { resourceVersion, finalizers: finalizers.length === 0 ? null : finalizers } },
  };
}

/** Whether it waits to be counted. */
export function isHeld({ metadata }: PodObject): boolean {
  return metadata.finalizers?.includes(trackingFinalizer) === true;
}

interface Indexes {
  /** Of Pods that may be gone. */
  readonly counted: ReadonlySet<number>;
  readonly all: ReadonlySet<number>;
}

/** An index is counted as soon as its Pod's uid is noted: the index is in the status before the Pod is let go. */
function countIndexes(job: JobObject, pods: readonly PodObject[], succeeded: ReadonlySet<string>): Indexes {
  const all = new Set(parseIndexes(job.status?.completedIndexes ?? ""));
  if (!isIndexed(job)) return { counted: all, all };
  for (const pod of pods) {
    const index = indexOf(pod);
    const isWithin = index !== undefined && index < (job.spec.completions ?? 0);
    if (isWithin && succeeded.has(pod.metadata.uid)) all.add(index);
  }
  return { counted: all, all };
}

function uidOf({ metadata }: PodObject): string {
  return metadata.uid;
}

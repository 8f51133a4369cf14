/** Which Pods of a Job are made and deleted now: as many at once as it allows, later and later after failures. */
import type { JobObject } from "../../model/job.ts";
import { jobResource } from "../../model/job.ts";
import { type PodObject, podResource, type PodSpec } from "../../model/pod.ts";
import { byLeastMissed } from "../workloads/pod-facts.ts";
import { podFromTemplate } from "../workloads/pod-from-template.ts";
import { podsPerStep } from "../workloads/reconcile-replica-set.ts";
import {
  type Decision,
  decision,
  keyOf,
  nothing,
  type WorkloadAction,
} from "../workloads/workload-action.ts";
import { isHeld, letGo, type PodCounts, trackingFinalizer } from "./count-pods.ts";
import type { JobEnd } from "./job-end.ts";
import { freeIndexes, indexAnnotation, indexOf, isIndexed } from "./job-indexes.ts";

/** A Job with its Pods, sorted. */
export interface JobPods {
  readonly job: JobObject;
  readonly counts: PodCounts;
  readonly active: readonly PodObject[];
  readonly terminating: readonly PodObject[];
  readonly failed: readonly PodObject[];
  readonly succeeded: readonly PodObject[];
  readonly nowMs: number;
}

const backoff = { firstMs: 10_000, longestMs: 600_000 } as const;

/** Decides. */
export function changeJobPods(known: JobPods, end: JobEnd | undefined): Decision {
  const { job, active } = known;
  if (end !== undefined) return decision(active.slice(0, podsPerStep).map((pod) => remove(job, pod)));
  if (job.spec.suspend === true) return decision(withdraw(job, active));
  const wanted = wantedActive(known);
  if (active.length > wanted) {
    const beyond = [...active].sort(byLeastMissed).slice(0, active.length - wanted);
    return decision(withdraw(job, beyond));
  }
  // Where ended Pods are to be seen before they are replaced, those that end hold their places.
  const held = job.spec.podReplacementPolicy === "Failed" ? known.terminating.length : 0;
  const missing = Math.min(wanted - active.length - held, podsPerStep);
  if (missing <= 0) return nothing;
  const waitMs = backoffInMs(known);
  return waitMs > 0 ? decision([], waitMs) : decision(makePods(known, missing));
}

function wantedActive({ job, counts, active }: JobPods): number {
  const { completions, parallelism = 1 } = job.spec;
  // Without a number to reach the first success ends it: those at work may finish.
  if (completions === undefined) return counts.allSucceeded > 0 ? active.length : parallelism;
  return Math.min(parallelism, Math.max(0, completions - counts.allSucceeded));
}

/** Since the last failure, doubled with each one since the last success. */
function backoffInMs({ failed, succeeded, nowMs }: JobPods): number {
  const lastSuccessMs = Math.max(0, ...succeeded.map((pod) => endedAtMs(pod, 0)));
  const failures = failed.map((pod) => endedAtMs(pod, nowMs)).filter((atMs) => atMs >= lastSuccessMs);
  if (failures.length === 0) return 0;
  const waitMs = Math.min(backoff.longestMs, backoff.firstMs * 2 ** Math.min(20, failures.length - 1));
  return Math.max(...failures) + waitMs - nowMs;
}

function endedAtMs({ status, metadata }: PodObject, otherwiseMs: number): number {
  const ends = (status?.containerStatuses ?? [])
    .map(({ state }) => Date.parse(state.terminated?.finishedAt ?? ""))
    .filter((ms) => !Number.isNaN(ms));
  if (ends.length > 0) return Math.max(...ends);
  const ready = status?.conditions?.find(({ type }) => type === "Ready")?.lastTransitionTime;
  const sinceMs = Date.parse(ready ?? metadata.deletionTimestamp ?? "");
  return Number.isNaN(sinceMs) ? otherwiseMs : sinceMs;
}

function makePods(known: JobPods, count: number): readonly WorkloadAction[] {
  const { job, counts, active, terminating } = known;
  if (!isIndexed(job)) return Array.from({ length: count }, () => make(job));
  const holding = job.spec.podReplacementPolicy === "Failed" ? terminating : [];
  const busy = [...active, ...holding].map(indexOf).filter((index) => index !== undefined);
  const taken = new Set([...counts.indexes, ...busy]);
  return freeIndexes(job.spec.completions ?? 0, taken, count).map((index) => makeIndexed(job, index));
}

function make(job: JobObject): WorkloadAction {
  return creation(job, { finalizers: [trackingFinalizer] });
}

function makeIndexed(job: JobObject, index: number): WorkloadAction {
  const own = { [indexAnnotation]: String(index) };
  return creation(job, {
    namePrefix: `${job.metadata.name}-${index}-`,
    labels: own,
    annotations: own,
    finalizers: [trackingFinalizer],
    spec: { hostname: `${job.metadata.name}-${index}`, ...withIndex(job.spec.template.spec) },
  });
}

/** Every container is told its number, unless it has a variable of that name. */
function withIndex(spec: PodSpec): Partial<PodSpec> {
  const name = "JOB_COMPLETION_INDEX";
  const fieldPath = `metadata.labels['${indexAnnotation}']`;
  const tell = <Kind extends PodSpec["containers"][number]>(container: Kind): Kind => {
    const { env = [] } = container;
    if (env.some((each) => each.name === name)) return container;
    return { ...container, env: [...env, { name, valueFrom: { fieldRef: { fieldPath } } }] };
  };
  return {
    containers: spec.containers.map(tell),
    ...(spec.initContainers === undefined ? {} : { initContainers: spec.initContainers.map(tell) }),
  };
}

function creation(job: JobObject, extras: Parameters<typeof podFromTemplate>[2]): WorkloadAction {
  const about = { about: job } as const;
  return {
    kind: "create",
    type: podResource,
    draft: podFromTemplate(job.spec.template, { type: jobResource, object: job }, extras),
    saying: {
      onDone: { ...about, type: "Normal", reason: "SuccessfulCreate", message: "Created pod: {name}" },
      onFailure: { ...about, type: "Warning", reason: "FailedCreate", message: "Error creating: {error}" },
    },
  };
}

/** Pods that are taken back are no failures: they are let go before they end. */
function withdraw(job: JobObject, pods: readonly PodObject[]): readonly WorkloadAction[] {
  return pods
    .slice(0, podsPerStep)
    .flatMap((pod) => [...(isHeld(pod) ? [letGo(pod)] : []), remove(job, pod)]);
}

function remove(job: JobObject, pod: PodObject): WorkloadAction {
  const onDone = {
    about: job,
    type: "Normal",
    reason: "SuccessfulDelete",
    message: "Deleted pod: {name}",
  } as const;
  return { kind: "delete", type: podResource, key: keyOf(pod), uid: pod.metadata.uid, saying: { onDone } };
}

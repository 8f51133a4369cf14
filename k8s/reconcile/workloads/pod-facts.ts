/** What controllers ask of a Pod: whether it counts, serves, has served long enough, or has ended. */
import type { PodObject } from "../../model/pod.ts";

/** Whether it ended for good. */
export function isTerminal({ status }: PodObject): boolean {
  return status?.phase === "Succeeded" || status?.phase === "Failed";
}

/** Whether its deletion was asked for. */
export function isTerminating({ metadata }: PodObject): boolean {
  return metadata.deletionTimestamp !== undefined;
}

/** Whether it counts as one of those that are wanted. */
export function isActive(pod: PodObject): boolean {
  return !isTerminal(pod) && !isTerminating(pod);
}

/** Since when it is ready, in milliseconds; undefined when it is not. */
export function readySinceMs(pod: PodObject): number | undefined {
  const ready = pod.status?.conditions?.find(({ type }) => type === "Ready");
  if (ready?.status !== "True") return undefined;
  const sinceMs = Date.parse(ready.lastTransitionTime ?? "");
  return Number.isNaN(sinceMs) ? 0 : sinceMs;
}

/** Whether it can serve. */
export function isReady(pod: PodObject): boolean {
  return readySinceMs(pod) !== undefined;
}

/** How long until a Pod that is ready counts as available: 0 when it is; undefined when it is not ready. */
export function availableInMs(pod: PodObject, minReadySeconds: number, nowMs: number): number | undefined {
  const sinceMs = readySinceMs(pod);
  return sinceMs === undefined ? undefined : Math.max(0, sinceMs + minReadySeconds * 1000 - nowMs);
}

/** Whether it has been ready for long enough. */
export function isAvailable(pod: PodObject, minReadySeconds: number, nowMs: number): boolean {
  return availableInMs(pod, minReadySeconds, nowMs) === 0;
}

/** When the next of the Pods becomes available without anything else happening. */
export function nextAvailableMs(
  pods: readonly PodObject[],
  minReadySeconds: number,
  nowMs: number,
): number | undefined {
  const waits = pods
    .map((pod) => availableInMs(pod, minReadySeconds, nowMs))
    .filter((wait): wait is number => wait !== undefined && wait > 0);
  return waits.length === 0 ? undefined : Math.min(...waits);
}

/** How often its containers were started again, in all. */
export function restartsOf({ status }: PodObject): number {
  return [...(status?.initContainerStatuses ?? []), ...(status?.containerStatuses ?? [])].reduce(
    (sum, each) => sum + each.restartCount,
    0,
  );
}

/** Which of the Pods go first when there are too many: those that are missed least. */
export function byLeastMissed(a: PodObject, b: PodObject): number {
  for (const rank of ranks) {
    const difference = rank(a) - rank(b);
    if (difference !== 0) return difference;
  }
  return a.metadata.name < b.metadata.name ? -1 : 1;
}

const costAnnotation = "controller.kubernetes.io/pod-deletion-cost";
const phaseRank: Readonly<Record<string, number>> = { Pending: 0, Unknown: 1, Running: 2 };

/** Lower goes first. */
const ranks: readonly ((pod: PodObject) => number)[] = [
  ({ spec }) => ((spec.nodeName ?? "") === "" ? 0 : 1),
  ({ status }) => phaseRank[status?.phase ?? "Pending"] ?? 0,
  (pod) => (isReady(pod) ? 1 : 0),
  ({ metadata }) => Number(metadata.annotations?.[costAnnotation] ?? 0) || 0,
  // The younger goes, be it by readiness, by its restarts or by its making.
  (pod) => -(readySinceMs(pod) ?? 0),
  (pod) => -restartsOf(pod),
  ({ metadata }) => -Date.parse(metadata.creationTimestamp),
];

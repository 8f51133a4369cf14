/** How many Pods a rollout may have beyond those wished for and may lack of them, and how it is counted over ReplicaSets. */
import type { CountOrShare, DeploymentObject, ReplicaSetObject } from "../../model/workload.ts";

/** A number as it is; of a share the part of the whole, rounded as told. */
export function resolveCount(value: CountOrShare | undefined, whole: number, round: "up" | "down"): number {
  if (typeof value === "number") return value;
  const share = /^(\d+)%$/.exec(value ?? "")?.[1];
  if (share === undefined) return Number(value ?? 0) || 0;
  const part = (Number(share) * whole) / 100;
  return round === "up" ? Math.ceil(part) : Math.floor(part);
}

/** Pods that are wished for. */
export function wantedOf({ spec }: DeploymentObject): number {
  return spec.replicas ?? 1;
}

/** Whether it replaces its Pods step by step. */
export function isRolling({ spec }: DeploymentObject): boolean {
  return spec.strategy?.type !== "Recreate";
}

/** Pods that may be there beyond those wished for. */
export function maxSurge(deployment: DeploymentObject): number {
  if (!isRolling(deployment)) return 0;
  return resolveCount(deployment.spec.strategy?.rollingUpdate?.maxSurge ?? "25%", wantedOf(deployment), "up");
}

/** Pods of those wished for that may be missing. One at least when nothing else may move. */
export function maxUnavailable(deployment: DeploymentObject): number {
  const wanted = wantedOf(deployment);
  if (!isRolling(deployment) || wanted === 0) return 0;
  const value = deployment.spec.strategy?.rollingUpdate?.maxUnavailable ?? "25%";
  const count = resolveCount(value, wanted, "down");
  return Math.min(wanted, count === 0 && maxSurge(deployment) === 0 ? 1 : count);
}

/** Wished for, by a ReplicaSet. */
export function specReplicas({ spec }: ReplicaSetObject): number {
  return spec.replicas ?? 1;
}

/** Over ReplicaSets. */
export function sumOf(
  sets: readonly ReplicaSetObject[],
  count: (set: ReplicaSetObject) => number | undefined,
): number {
  return sets.reduce((sum, set) => sum + (count(set) ?? 0), 0);
}

/** How many Pods the newest ReplicaSet is to have now, given all of them. */
export function newReplicas(
  deployment: DeploymentObject,
  sets: readonly ReplicaSetObject[],
  current: number,
): number {
  const wanted = wantedOf(deployment);
  if (!isRolling(deployment)) return wanted;
  const room = wanted + maxSurge(deployment) - sumOf(sets, specReplicas);
  if (room <= 0) return current;
  return current + Math.min(room, Math.max(0, wanted - current));
}

/** Conditions of workloads: set so that one that says the same stays as it is, and a transition has its time. */
import type { WorkloadCondition } from "../../model/workload.ts";

/** The condition of a type. */
export function findCondition(
  conditions: readonly WorkloadCondition[] | undefined,
  type: string,
): WorkloadCondition | undefined {
  return conditions?.find((each) => each.type === type);
}

/** With a condition in place of the one of its type, at the end, unless that one says the same. */
export function withCondition(
  conditions: readonly WorkloadCondition[],
  wanted: WorkloadCondition,
): readonly WorkloadCondition[] {
  const old = findCondition(conditions, wanted.type);
  if (old?.status === wanted.status && old.reason === wanted.reason) return conditions;
  const since = old?.status === wanted.status ? old.lastTransitionTime : wanted.lastTransitionTime;
  const next = since === undefined ? wanted : { ...wanted, lastTransitionTime: since };
  return [...withoutCondition(conditions, wanted.type), next];
}

/** Without the condition of a type. */
export function withoutCondition(
  conditions: readonly WorkloadCondition[],
  type: string,
): readonly WorkloadCondition[] {
  return conditions.filter((each) => each.type !== type);
}

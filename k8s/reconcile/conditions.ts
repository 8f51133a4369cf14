/** Status conditions: made, and merged into those that are there so that a transition keeps its time. */
import type { Condition } from "#host/kube/known-resources.ts";

/** A condition before it is known since when it holds. */
export type ConditionDraft = Omit<Condition, "lastTransitionTime">;

/**
 * The conditions as they must be: those given, each with the time since which its status holds, and others as they are.
 * @param now RFC 3339
 */
export function mergeConditions(
  existing: readonly Condition[] | undefined,
  wanted: readonly ConditionDraft[],
  now: string,
): readonly Condition[] {
  const before = new Map((existing ?? []).map((each) => [each.type, each]));
  for (const each of wanted) {
    const old = before.get(each.type);
    const lastTransitionTime = old?.status === each.status ? old.lastTransitionTime : now;
    before.set(each.type, { ...each, lastTransitionTime });
  }
  return [...before.values()];
}

/** A condition that holds or does not. */
export function condition(
  type: string,
  isTrue: boolean,
  why: { readonly reason: string; readonly message: string },
  observedGeneration: number | undefined,
): ConditionDraft {
  return {
    type,
    status: isTrue ? "True" : "False",
    ...why,
    ...(observedGeneration === undefined ? {} : { observedGeneration }),
  };
}

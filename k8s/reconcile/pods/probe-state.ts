/** What a row of a probe's answers comes to. Pure: who asks, and when, is the prober's business. */

/** One answer. */
export type ProbeAnswer = "success" | "failure";

/** The thresholds that a verdict needs. */
export interface ProbeThresholds {
  /** Default 1. */
  readonly successThreshold?: number;
  /** Default 3. */
  readonly failureThreshold?: number;
}

/** A row of equal answers and the verdict that they, or earlier ones, came to. */
export interface ProbeState {
  readonly last: ProbeAnswer | undefined;
  readonly inARow: number;
  readonly verdict: ProbeAnswer | undefined;
}

/** Before the first answer. */
export const unasked: ProbeState = { last: undefined, inARow: 0, verdict: undefined };

/** Takes one more answer: the verdict changes once enough equal ones stand in a row. */
export function withAnswer(
  state: ProbeState,
  answer: ProbeAnswer,
  { successThreshold = 1, failureThreshold = 3 }: ProbeThresholds,
): ProbeState {
  const inARow = state.last === answer ? state.inARow + 1 : 1;
  const needed = answer === "success" ? successThreshold : failureThreshold;
  return { last: answer, inARow, verdict: inARow >= needed ? answer : state.verdict };
}

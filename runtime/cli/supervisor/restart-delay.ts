/** How long a program that ended waits before its next start. Pure. */

/** Bounds of the wait. */
export interface RestartLimits {
  readonly firstDelayMs: number;
  readonly longestDelayMs: number;
  /** A program that ran this long starts afresh with the first delay. */
  readonly steadyMs: number;
}

/** 0.1 s, doubled up to 10 s; forgotten after half a minute of running. */
export const defaultRestartLimits: RestartLimits = {
  firstDelayMs: 100,
  longestDelayMs: 10_000,
  steadyMs: 30_000,
};

/** The delay after the n-th quick end in a row (1 is the first). */
export function restartDelayMs(quickEnds: number, limits: RestartLimits): number {
  const doubled = limits.firstDelayMs * 2 ** Math.min(30, Math.max(0, quickEnds - 1));
  return Math.min(limits.longestDelayMs, doubled);
}

/** Waiting times between attempts: doubling from a first to a longest, each spread at random so that clients part. */

/** The bounds of a back-off. */
export interface BackoffLimits {
  readonly firstMs: number;
  readonly longestMs: number;
  /** Share of the time that is random: 0.2 spreads from 0.8 to 1.2 times. */
  readonly jitter: number;
}

/**
 * The wait before attempt number `failures` (1 after the first failure).
 * @param random a number from 0 to 1.
 */
export function backoffMs(limits: BackoffLimits, failures: number, random: number): number {
  const doubled = limits.firstMs * 2 ** Math.min(30, Math.max(0, failures - 1));
  return Math.min(limits.longestMs, doubled) * (1 - limits.jitter + 2 * limits.jitter * random);
}

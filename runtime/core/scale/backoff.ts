/** How long to leave alone what has just failed: doubling delays between two bounds. No jitter: one node asks itself. */

/** The bounds. */
export interface Backoff {
  /** After the first failure. */
  readonly firstMs: number;
  /** Never longer than this. */
  readonly mostMs: number;
}

/**
 * The delay after a number of failures in a row.
 * @param failures at least 1; 0 gives no delay
 */
export function backoffMs(backoff: Backoff, failures: number): number {
  if (failures <= 0) return 0;
  // 2^30 times the first delay is beyond any bound, and keeps the product exact.
  return Math.min(backoff.mostMs, backoff.firstMs * 2 ** Math.min(failures - 1, 30));
}

/** How long a container that keeps ending waits before its next start. Pure. */

/** The bounds of the wait. */
export interface BackOffLimits {
  readonly firstMs: number;
  readonly mostMs: number;
}

/** What is remembered between two starts; undefined before the first restart. */
export interface BackOff {
  readonly delayMs: number;
  readonly setAtMs: number;
}

/** Kubernetes' own bounds for crashing containers and images. */
export const defaultBackOffLimits: BackOffLimits = { firstMs: 10_000, mostMs: 300_000 };

/** When the next start may be, of a container that ended then. */
export function earliestStartMs(
  backOff: BackOff | undefined,
  endedAtMs: number,
  limits: BackOffLimits,
): number {
  if (backOff === undefined || isForgotten(backOff, endedAtMs, limits)) return endedAtMs;
  return endedAtMs + backOff.delayMs;
}

/** What is remembered once it starts again: twice the wait, or the first one after a long time without trouble. */
export function nextBackOff(backOff: BackOff | undefined, nowMs: number, limits: BackOffLimits): BackOff {
  const delayMs =
    backOff === undefined || isForgotten(backOff, nowMs, limits)
      ? limits.firstMs
      : Math.min(backOff.delayMs * 2, limits.mostMs);
  return { delayMs, setAtMs: nowMs };
}

function isForgotten(backOff: BackOff, atMs: number, limits: BackOffLimits): boolean {
  return atMs - backOff.setAtMs > 2 * limits.mostMs;
}

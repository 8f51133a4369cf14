/** Collects garbage once after each burst of work: what a burst leaves would otherwise stay resident until the next one. */
import type { Clock, Timer } from "#host/clock.ts";

/** What is watched and what is done. */
export interface FreeMemoryOptions {
  readonly clock: Clock;
  /** Grows with all work done; its size is a rough measure of the garbage made. */
  readonly workDone: () => number;
  readonly collect: () => void;
}

const intervalMs = 2000;
/** Work that is worth a collection of some milliseconds. */
const worthWork = 500;

/** Starts watching. @returns how to stop. */
export function freeMemoryWhenIdle({ clock, workDone, collect }: FreeMemoryOptions): () => void {
  let timer: Timer;
  let before = workDone();
  let collectedAt = before;
  const look = (): void => {
    const now = workDone();
    // Work during the interval means that nobody should wait for a collection now.
    if (now === before && now - collectedAt >= worthWork) {
      collect();
      collectedAt = now;
    }
    before = now;
    timer = clock.after(intervalMs, look);
  };
  timer = clock.after(intervalMs, look);
  return () => timer.cancel();
}

/** Collects garbage once after each burst of work: what a burst leaves would otherwise stay resident until the next one. */
import type { Clock, Timer } from "./clock.ts";

/** What is watched and what is done. */
export interface FreeMemoryOptions {
  readonly clock: Clock;
  /** Grows with all work done; its size is a rough measure of the garbage made. */
  readonly workDone: () => number;
  /** Whether somebody waits for work that has not ended; default never. */
  readonly isBusy?: () => boolean;
  /** Default: a full collection. */
  readonly collect?: () => void;
}

const intervalMs = 2000;
/** Work that is worth a collection of some milliseconds. */
const worthWork = 500;

/** Starts watching. @returns how to stop. */
export function freeMemoryWhenIdle(options: FreeMemoryOptions): () => void {
  const { clock, workDone, isBusy = (): boolean => false, collect = (): void => Bun.gc(true) } = options;
  let timer: Timer;
  let before = workDone();
  let collectedAt = before;
  const look = (): void => {
    const now = workDone();
    // Work during the interval means that nobody should wait for a collection now.
    if (!isBusy() && now === before && now - collectedAt >= worthWork) {
      collect();
      collectedAt = now;
    }
    before = now;
    timer = clock.after(intervalMs, look);
  };
  timer = clock.after(intervalMs, look);
  return () => timer.cancel();
}

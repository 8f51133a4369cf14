/** Collects garbage after a burst of requests has passed: what it left would stay resident until the next burst. */
import type { Clock, Timer } from "#host/clock.ts";

/** Requests that are worth a collection of some milliseconds. */
const worthRequests = 500;
const lookMs = 2000;

/** Starts watching. @param served read at each look. @returns how to stop. */
export function freeMemoryWhenIdle(
  clock: Clock,
  served: { readonly open: number; readonly finished: number },
  collect: () => void = () => Bun.gc(true),
): () => void {
  let timer: Timer | undefined;
  let collectedAt = 0;
  let before = 0;
  const look = (): void => {
    const { open, finished } = served;
    // A request within the last interval means that somebody may be waiting now.
    if (open === 0 && finished === before && finished - collectedAt >= worthRequests) {
      collect();
      collectedAt = finished;
    }
    before = finished;
    timer = clock.after(lookMs, look);
  };
  timer = clock.after(lookMs, look);
  return () => timer?.cancel();
}

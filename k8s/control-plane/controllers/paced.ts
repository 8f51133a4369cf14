/**
 * Work that is asked for more often than it need be done: the first wish is met at once, those that come while it rests
 * are met together. It rests as long as it worked, so that it takes half of the processor at most, however large the mesh.
 */
import type { Clock, Timer } from "#host/clock.ts";

/** See the file's head. */
export interface Paced {
  /** Has the work done once more, now or at the end of the rest. */
  request(): void;
  /** Whether a wish waits for the end of the rest. */
  readonly isWanted: boolean;
  close(): void;
}

/** Longest rest, whatever the work took: enforcement of a change must not wait longer for the one before. */
const restMsMax = 50;

/** Makes paced work; nothing runs until it is asked for. */
export function makePaced(clock: Clock, work: () => void): Paced {
  let rest: Timer | undefined;
  let isWanted = false;
  let isOpen = true;
  const run = (): void => {
    isWanted = false;
    const startedMs = clock.monotonicMs();
    work();
    const workedMs = clock.monotonicMs() - startedMs;
    rest = clock.after(Math.min(workedMs, restMsMax), () => {
      rest = undefined;
      if (isWanted && isOpen) run();
    });
  };
  return {
    request() {
      if (!isOpen) return;
      if (rest === undefined) run();
      else isWanted = true;
    },
    get isWanted() {
      return isWanted;
    },
    close() {
      isOpen = false;
      rest?.cancel();
    },
  };
}

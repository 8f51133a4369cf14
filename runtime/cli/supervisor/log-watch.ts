/** Looks at a program's log again and again: shows what is new in it when somebody wants to see it, and puts it aside when it is full. */
import type { Clock, Timer } from "#host/clock.ts";
import type { ProgramLog } from "./program-log.ts";

/** What is watched, and who is told. */
export interface LogWatchOptions {
  readonly log: ProgramLog;
  readonly clock: Clock;
  /** Given what is new; absent: nobody wants to see it. */
  readonly onOutput?: (text: string) => void;
  /** A full log could not be put aside, and was cut: told why. */
  readonly onLost: (refusal: string) => void;
  /** What one look shows at most, the latest of it; the rest is in the file. Default 64 KiB. */
  readonly outputBytesMax?: number;
}

const watchEveryMs = 250;

/** Begins to look. @returns the end of it */
export function watchLog(options: LogWatchOptions): Disposable {
  const { log, clock, onOutput, onLost, outputBytesMax = 64 << 10 } = options;
  let shown = log.size();
  let timer: Timer;
  const look = (): void => {
    const size = log.size();
    if (onOutput !== undefined && size !== shown) onOutput(log.readFrom(shown, outputBytesMax));
    const refusal = log.rotate();
    shown = log.size() < size ? 0 : size;
    if (refusal !== undefined) onLost(refusal);
    timer = clock.after(watchEveryMs, look);
  };
  timer = clock.after(watchEveryMs, look);
  return { [Symbol.dispose]: () => timer.cancel() };
}

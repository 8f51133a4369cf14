/** Writes whole lines to a descriptor in bounded batches, so that neither a connection nor a request waits for its log line. */
import type { Clock } from "./clock.ts";

/** Takes lines. */
export interface LineWriter {
  /** Takes a line with its newline, or counts it as dropped when too many wait. */
  write(line: string): void;
  /** Lines lost because the reader did not keep up. */
  readonly dropped: number;
  /** Resolves when what was taken has been written. */
  flush(): Promise<void>;
}

/** Where text goes; resolves when it has been written. */
export type LineSink = (text: string) => Promise<void>;

/** Lines that wait at most, as in Istio; more are dropped and counted. */
const linesMax = 10_000;
const delayMs = 20;

/** Makes a writer. */
export function makeLineWriter(sink: LineSink, clock: Clock): LineWriter {
  return new Writer(sink, clock);
}

class Writer implements LineWriter {
  readonly #sink: LineSink;
  readonly #clock: Clock;
  #text = "";
  #lines = 0;
  #isTimed = false;
  #writing: Promise<void> | undefined;
  dropped = 0;

  constructor(sink: LineSink, clock: Clock) {
    this.#sink = sink;
    this.#clock = clock;
  }

  write(line: string): void {
    if (this.#lines >= linesMax) {
      this.dropped++;
      return;
    }
    this.#text += line;
    this.#lines++;
    if (this.#isTimed) return;
    this.#isTimed = true;
    this.#clock.after(delayMs, () => {
      this.#isTimed = false;
      void this.flush();
    });
  }

  async flush(): Promise<void> {
    // One write at a time: what comes meanwhile is the next batch, and its bound is what the reader feels.
    while (this.#writing !== undefined) await this.#writing;
    if (this.#lines === 0) return;
    const text = this.#text;
    this.#text = "";
    this.#lines = 0;
    this.#writing = this.#writeOut(text).finally(() => (this.#writing = undefined));
    await this.#writing;
  }

  async #writeOut(text: string): Promise<void> {
    try {
      await this.#sink(text);
    } catch {
      // The reader is gone; a proxy does not end for want of somebody to read its log.
    }
  }
}

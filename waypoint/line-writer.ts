/** Writes whole lines to a descriptor in bounded batches, so that no request waits for its log line. */
import type { Clock } from "#host/clock.ts";

/** Where text goes; resolves when it has been written. */
export type LineSink = (text: string) => Promise<void>;

/** Lines that wait at most; more are dropped and counted. */
const linesMax = 10_000;
const delayMs = 20;

/** See the file's first line. */
export class LineWriter {
  readonly #sink: LineSink;
  readonly #clock: Clock;
  #text = "";
  #lines = 0;
  #isTimed = false;
  #writing: Promise<void> | undefined;
  /** Lines lost because the reader did not keep up. */
  dropped = 0;

  constructor(sink: LineSink, clock: Clock) {
    this.#sink = sink;
    this.#clock = clock;
  }

  /** Takes a line with its newline. */
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

  /** Resolves when what was taken has been written. */
  async flush(): Promise<void> {
    // One write at a time: what comes meanwhile is the next batch, bounded by linesMax.
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
      // The log's reader is gone; a proxy does not end for want of somebody to read its log.
    }
  }
}

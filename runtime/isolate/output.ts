/** A function's standard output and error as lines, bounded in length and rate; where the lines go is the owner's business. */
import type { Clock } from "#host/clock.ts";

/** The stream that a line came from. */
export type OutputStream = "stdout" | "stderr";

/** One line, without its end. */
export interface OutputLine {
  readonly stream: OutputStream;
  readonly text: string;
  /** When it was read, in milliseconds since the epoch. */
  readonly atMs: number;
}

/** Bounds of one instance's output. */
export interface OutputLimits {
  /** A longer line is cut into several. Default 8192. */
  readonly lineBytesMax: number;
  /** Lines a second; more are dropped, and a line says how many. Default 500. */
  readonly linesPerSecond: number;
}

/** The defaults stated above. */
export const defaultOutputLimits: OutputLimits = { lineBytesMax: 8192, linesPerSecond: 500 };

/** Cuts both streams into lines under a common rate. */
export class OutputLines {
  readonly #limits: OutputLimits;
  readonly #clock: Clock;
  readonly #onLine: (line: OutputLine) => void;
  readonly #rest: Record<OutputStream, Buffer> = { stdout: Buffer.alloc(0), stderr: Buffer.alloc(0) };
  #second = -1;
  #inSecond = 0;
  #dropped = 0;

  constructor(limits: OutputLimits, clock: Clock, onLine: (line: OutputLine) => void) {
    this.#limits = limits;
    this.#clock = clock;
    this.#onLine = onLine;
  }

  /** Takes bytes of a stream. */
  push(stream: OutputStream, bytes: Uint8Array): void {
    let rest = Buffer.concat([this.#rest[stream], bytes]);
    for (;;) {
      const end = rest.indexOf(10);
      const isWhole = end >= 0 && end <= this.#limits.lineBytesMax;
      if (!isWhole && rest.length <= this.#limits.lineBytesMax) break;
      const length = isWhole ? end : this.#limits.lineBytesMax;
      this.#give(stream, rest.toString("utf8", 0, length));
      rest = rest.subarray(isWhole ? length + 1 : length);
    }
    this.#rest[stream] = Buffer.from(rest);
  }

  /** Gives what has no end yet, and how many lines were dropped: the stream is over. */
  finish(stream: OutputStream): void {
    const rest = this.#rest[stream];
    this.#rest[stream] = Buffer.alloc(0);
    if (rest.length > 0) this.#give(stream, rest.toString("utf8"));
    this.#tellDropped();
  }

  #give(stream: OutputStream, text: string): void {
    const second = Math.floor(this.#clock.monotonicMs() / 1000);
    if (second !== this.#second) {
      this.#second = second;
      this.#inSecond = 0;
      this.#tellDropped();
    }
    if (this.#inSecond >= this.#limits.linesPerSecond) {
      this.#dropped++;
      return;
    }
    this.#inSecond++;
    this.#onLine({ stream, text, atMs: this.#clock.nowMs() });
  }

  #tellDropped(): void {
    if (this.#dropped === 0) return;
    const text = `[${this.#dropped} lines dropped: more than ${this.#limits.linesPerSecond} a second]`;
    this.#dropped = 0;
    this.#onLine({ stream: "stderr", text, atMs: this.#clock.nowMs() });
  }
}

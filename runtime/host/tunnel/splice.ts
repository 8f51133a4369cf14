/** Joins two byte streams into one connection: back-pressure, half-close and resets pass through; nothing is parsed. */
import type { ByteStream } from "../byte-stream.ts";

/** What a splice carried, told once at its end. */
export interface SpliceEnd {
  readonly bytesFromA: number;
  readonly bytesFromB: number;
  /** Why it ended, undefined when both sides finished in order. */
  readonly error: Error | undefined;
}

/** A splice that runs. */
export interface Splice {
  readonly bytesFromA: number;
  readonly bytesFromB: number;
  /** Resets both sides; `onEnd` follows with this error. */
  cut(error: Error): void;
}

/** Joins the two; takes over both handlers. `onEnd` is called exactly once, after both streams are closed. */
export declare function splice(a: ByteStream, b: ByteStream, onEnd?: (end: SpliceEnd) => void): Splice;

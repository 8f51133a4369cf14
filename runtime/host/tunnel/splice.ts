/** Joins two byte streams into one connection: back-pressure, half-close and resets pass through; nothing is parsed. */
import type { ByteStream, ByteStreamHandler } from "../byte-stream.ts";

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
export function splice(a: ByteStream, b: ByteStream, onEnd: (end: SpliceEnd) => void = ignoreEnd): Splice {
  const running = new JoinedStreams(a, b, onEnd);
  running.start();
  return running;
}

class JoinedStreams implements Splice {
  readonly #a: SplicedSide;
  readonly #b: SplicedSide;
  readonly #onEnd: (end: SpliceEnd) => void;
  #error: Error | undefined;
  #isOver = false;

  constructor(a: ByteStream, b: ByteStream, onEnd: (end: SpliceEnd) => void) {
    this.#onEnd = onEnd;
    this.#a = new SplicedSide(a, b, (error) => this.#onSideClosed(this.#b, error));
    this.#b = new SplicedSide(b, a, (error) => this.#onSideClosed(this.#a, error));
    this.#a.other = this.#b;
    this.#b.other = this.#a;
  }

  /** Both handlers are in place before either side may speak: what one holds already goes straight to the other. */
  start(): void {
    this.#a.stream.pause();
    this.#b.stream.pause();
    this.#a.stream.handle(this.#a);
    this.#b.stream.handle(this.#b);
    this.#a.stream.resume();
    this.#b.stream.resume();
  }

  get bytesFromA(): number {
    return this.#a.bytes;
  }

  get bytesFromB(): number {
    return this.#b.bytes;
  }

  cut(error: Error): void {
    this.#error ??= error;
    this.#a.stream.reset();
    this.#b.stream.reset();
  }

  #onSideClosed(other: SplicedSide, error: Error | undefined): void {
    if (error !== undefined) this.#error ??= error;
    // A side that has bytes for the closed one will not get rid of them.
    if (!other.isClosed && (error !== undefined || other.hasRest)) other.stream.reset();
    // Resetting the other side may have come back here already.
    if (!this.#a.isClosed || !this.#b.isClosed || this.#isOver) return;
    this.#isOver = true;
    this.#onEnd({ bytesFromA: this.bytesFromA, bytesFromB: this.bytesFromB, error: this.#error });
  }
}

/** One direction: from a stream to its opposite. */
class SplicedSide implements ByteStreamHandler {
  readonly stream: ByteStream;
  readonly #to: ByteStream;
  readonly #onClosed: (error: Error | undefined) => void;
  other: SplicedSide | undefined;
  bytes = 0;
  isClosed = false;
  /** What the opposite has not taken yet; meanwhile this side is paused, so it is one piece at most. */
  #rest: Uint8Array | undefined;
  #hasEnded = false;

  constructor(stream: ByteStream, to: ByteStream, onClosed: (error: Error | undefined) => void) {
    this.stream = stream;
    this.#to = to;
    this.#onClosed = onClosed;
  }

  get hasRest(): boolean {
    return this.#rest !== undefined;
  }

  onData(bytes: Uint8Array): void {
    this.bytes += bytes.length;
    if (this.#rest !== undefined) {
      this.#rest = joined(this.#rest, bytes);
      return;
    }
    const taken = this.#to.write(bytes);
    if (taken === bytes.length) return;
    if (this.other?.isClosed === true) {
      // Nobody is left to take it: the sender learns as it would from a closed connection.
      this.stream.reset();
      return;
    }
    // A copy, for the bytes are their owner's after this call; `slice()` of a Node Buffer would be a view.
    this.#rest = new Uint8Array(bytes.subarray(taken));
    this.stream.pause();
  }

  /** This stream can take more: the opposite's rest goes first. */
  onDrain(): void {
    this.other?.writeRest();
  }

  onEnd(): void {
    this.#hasEnded = true;
    if (this.#rest === undefined) this.#to.end();
  }

  onClose(error?: Error): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.#onClosed(error);
  }

  /** Offers what was not taken; the source goes on once all of it was. */
  writeRest(): void {
    if (this.#rest === undefined) return;
    const taken = this.#to.write(this.#rest);
    if (taken < this.#rest.length) {
      this.#rest = this.#rest.subarray(taken);
      return;
    }
    this.#rest = undefined;
    if (this.#hasEnded) this.#to.end();
    else this.stream.resume();
  }
}

function joined(first: Uint8Array, second: Uint8Array): Uint8Array {
  const both = new Uint8Array(first.length + second.length);
  both.set(first);
  both.set(second, first.length);
  return both;
}

function ignoreEnd(): void {
  // The caller does not count.
}

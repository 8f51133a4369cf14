/** Writes to a byte stream and keeps what it does not take; whoever writes much waits for room in between. */
import type { ByteStream } from "./byte-stream.ts";

/** The writing side of one stream; its owner passes on the stream's `onDrain` and `onClose`. */
export class StreamWriter {
  readonly #stream: ByteStream;
  #waiting: Uint8Array[] = [];
  #bytesWritten = 0;
  #isEnding = false;
  #isClosed = false;
  #wake: (() => void)[] = [];

  constructor(stream: ByteStream) {
    this.#stream = stream;
  }

  /** Bytes offered so far. */
  get bytesWritten(): number {
    return this.#bytesWritten;
  }

  /** Whether something waits: write no more than little until {@link whenRoom}. */
  get isFull(): boolean {
    return this.#waiting.length > 0;
  }

  /** Offers bytes, which are the caller's again afterwards. Nothing is taken once the stream is closed. */
  write(bytes: Uint8Array): void {
    if (this.#isClosed || this.#isEnding || bytes.length === 0) return;
    this.#bytesWritten += bytes.length;
    const taken = this.isFull ? 0 : this.#stream.write(bytes);
    // Not `slice`, which on a Node Buffer is a view.
    if (taken < bytes.length) this.#waiting.push(new Uint8Array(bytes.subarray(taken)));
  }

  /** Resolves when nothing waits any more, or nothing ever will. */
  whenRoom(): Promise<void> {
    if (!this.isFull || this.#isClosed) return Promise.resolve();
    return new Promise((resolve) => this.#wake.push(resolve));
  }

  /** Finishes the direction once everything has left. */
  end(): void {
    if (this.#isEnding) return;
    this.#isEnding = true;
    if (!this.isFull) this.#stream.end();
  }

  /** The stream has room. */
  onDrain(): void {
    for (let head = this.#waiting[0]; head !== undefined; head = this.#waiting[0]) {
      const taken = this.#stream.write(head);
      if (taken < head.length) {
        this.#waiting[0] = head.subarray(taken);
        return;
      }
      this.#waiting.shift();
    }
    if (this.#isEnding) this.#stream.end();
    this.#wakeAll();
  }

  /** The stream is over. */
  onClose(): void {
    this.#isClosed = true;
    this.#waiting = [];
    this.#wakeAll();
  }

  #wakeAll(): void {
    const wake = this.#wake;
    this.#wake = [];
    for (const resolve of wake) resolve();
  }
}

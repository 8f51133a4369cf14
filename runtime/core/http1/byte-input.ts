/** A window over received bytes with a read position, shared by the readers of one connection; it copies only what must be kept. */

const empty = new Uint8Array(0);

/** Received bytes not read yet. */
export class ByteInput {
  /** The bytes; those before `at` are read. */
  bytes: Uint8Array = empty;
  /** Where the next byte to read is. */
  at = 0;

  /** How many bytes wait. */
  get available(): number {
    return this.bytes.length - this.at;
  }

  /** Adds received bytes. A view is borrowed: before it becomes invalid, call {@link retain}. */
  push(bytes: Uint8Array): void {
    if (this.at === this.bytes.length) {
      this.bytes = bytes;
      this.at = 0;
      return;
    }
    const joined = new Uint8Array(this.available + bytes.length);
    joined.set(this.bytes.subarray(this.at));
    joined.set(bytes, this.available);
    this.bytes = joined;
    this.at = 0;
  }

  /** Copies what is not read yet, so that the borrowed view may change. */
  retain(): void {
    // Not `slice`, which on a Node Buffer is a view.
    this.bytes = this.at === this.bytes.length ? empty : new Uint8Array(this.bytes.subarray(this.at));
    this.at = 0;
  }

  /** Takes everything that waits. */
  takeAll(): Uint8Array {
    const rest = this.bytes.subarray(this.at);
    this.bytes = empty;
    this.at = 0;
    return rest;
  }
}

/** Bytes held for a reader who paused, copied into few blocks however small the pieces were that they came in. */

/** Blocks double from the first size to the last: a few held bytes stay small, many stay cheap. */
const blockBytes = { first: 512, last: 65_536 } as const;

/** First in, first out. It has no bound of its own: the flow-control window is the bound. */
export class ByteQueue {
  #blocks: Uint8Array[] = [];
  /** Bytes used in the last block. */
  #tail = 0;
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** Copies bytes to the end. */
  push(bytes: Uint8Array): void {
    this.#length += bytes.length;
    let rest = bytes;
    const last = this.#blocks.at(-1);
    if (last !== undefined && this.#tail < last.length) {
      const fitting = rest.subarray(0, last.length - this.#tail);
      last.set(fitting, this.#tail);
      this.#tail += fitting.length;
      rest = rest.subarray(fitting.length);
    }
    if (rest.length === 0) return;
    const doubled = last === undefined ? blockBytes.first : Math.min(last.length * 2, blockBytes.last);
    const block = new Uint8Array(Math.max(doubled, rest.length));
    block.set(rest);
    this.#tail = rest.length;
    this.#blocks.push(block);
  }

  /** Takes the first block; undefined when nothing is held. */
  shift(): Uint8Array | undefined {
    const block = this.#blocks.shift();
    if (block === undefined) return undefined;
    const bytes = this.#blocks.length === 0 ? block.subarray(0, this.#tail) : block;
    this.#length -= bytes.length;
    return bytes;
  }
}

/** Cuts a flow of bytes into lines of bounded length, whatever the split points. */

/** See the file's opening; UTF-8, lines end with LF, which is not part of them. */
export class LineReader {
  readonly #lineBytesMax: number;
  #parts: Uint8Array[] = [];
  #bytes = 0;

  constructor(lineBytesMax: number) {
    this.#lineBytesMax = lineBytesMax;
  }

  /** Takes bytes and gives the lines they complete; undefined when a line outgrows the bound. */
  push(bytes: Uint8Array): string[] | undefined {
    const lines: string[] = [];
    let from = 0;
    for (let at = bytes.indexOf(10, from); at >= 0; at = bytes.indexOf(10, from)) {
      if (this.#bytes + at - from > this.#lineBytesMax) return undefined;
      lines.push(this.#take(bytes.subarray(from, at)));
      from = at + 1;
    }
    const rest = bytes.length - from;
    if (this.#bytes + rest > this.#lineBytesMax) return undefined;
    if (rest > 0) {
      // A copy: what comes is often a Buffer, whose slice() would share memory that its owner reads into again.
      this.#parts.push(new Uint8Array(bytes.subarray(from)));
      this.#bytes += rest;
    }
    return lines;
  }

  #take(last: Uint8Array): string {
    if (this.#parts.length === 0)
      return Buffer.from(last.buffer, last.byteOffset, last.length).toString("utf8");
    const text = Buffer.concat([...this.#parts, last]).toString("utf8");
    this.#parts = [];
    this.#bytes = 0;
    return text;
  }
}

/** A piece of memory whose parts point at each other, for calls that take structures with pointers; built once, then frozen in place. */
import { ptr } from "bun:ffi";

/** Where a part begins, counted from the start of the memory. */
export type Offset = number;

/** Collects parts; `seal` gives the memory they lie in. The kernel sees it by the returned view, which keeps all of it alive. */
export class MemoryBuilder {
  readonly #parts: { readonly at: Offset; readonly bytes: Uint8Array }[] = [];
  readonly #pointers: { readonly at: Offset; readonly target: Offset }[] = [];
  #length = 0;

  /** Adds bytes, aligned to 8. */
  add(bytes: Uint8Array): Offset {
    const at = this.#length;
    this.#parts.push({ at, bytes });
    this.#length = (at + bytes.length + 7) & ~7;
    return at;
  }

  /** Adds a text with its closing zero. */
  addText(text: string): Offset {
    return this.add(Buffer.from(`${text}\0`));
  }

  /** Adds a list of pointers to texts, closed by a null pointer. */
  addTexts(texts: readonly string[]): Offset {
    const targets = texts.map((text) => this.addText(text));
    const list = this.add(new Uint8Array(8 * (texts.length + 1)));
    targets.forEach((target, i) => this.point(list + 8 * i, target));
    return list;
  }

  /** Has the 8 bytes at `at` hold the address of `target`. */
  point(at: Offset, target: Offset): void {
    this.#pointers.push({ at, target });
  }

  /** Lays everything out; nothing can be added afterwards. */
  seal(): Buffer {
    const memory = Buffer.alloc(Math.max(this.#length, 8));
    for (const { at, bytes } of this.#parts) memory.set(bytes, at);
    const base = BigInt(ptr(memory));
    for (const { at, target } of this.#pointers) memory.writeBigUInt64LE(base + BigInt(target), at);
    return memory;
  }
}

/** 32-bit numbers as the kernel reads them. */
export function u32s(...values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(4 * values.length);
  values.forEach((value, i) => bytes.writeUInt32LE(value >>> 0, 4 * i));
  return bytes;
}

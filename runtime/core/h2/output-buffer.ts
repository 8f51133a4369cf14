/** The bytes a connection wants to send, in one piece so that a socket write takes as much as it can; frames, no policy. */
import { frameHeaderBytes } from "./frame.ts";

/** A connection at rest keeps no more than this. */
const restingBytes = 1024;

/** A buffer that grows at its end and is taken from its front. */
export class OutputBuffer {
  #bytes: Uint8Array = new Uint8Array(restingBytes);
  #start = 0;
  #end = 0;

  /** How many bytes wait. */
  get length(): number {
    return this.#end - this.#start;
  }

  /** The waiting bytes; the view is valid until anything is written or taken. */
  view(): Uint8Array {
    return this.#bytes.subarray(this.#start, this.#end);
  }

  /** Forgets bytes that the socket took. */
  taken(bytes: number): void {
    this.#start += bytes;
    if (this.#start < this.#end) return;
    this.#start = 0;
    this.#end = 0;
  }

  /** Gives back memory that a burst needed. */
  shrink(): void {
    if (this.length === 0 && this.#bytes.length > restingBytes) this.#bytes = new Uint8Array(restingBytes);
  }

  /** Writes a frame's header; `length` bytes of payload must follow, and their room is made here. */
  frame(length: number, type: number, flags: number, streamId: number): void {
    this.#reserve(frameHeaderBytes + length);
    const bytes = this.#bytes;
    const at = this.#end;
    bytes[at] = length >>> 16;
    bytes[at + 1] = length >>> 8;
    bytes[at + 2] = length;
    bytes[at + 3] = type;
    bytes[at + 4] = flags;
    bytes[at + 5] = streamId >>> 24;
    bytes[at + 6] = streamId >>> 16;
    bytes[at + 7] = streamId >>> 8;
    bytes[at + 8] = streamId;
    this.#end = at + frameHeaderBytes;
  }

  uint16(value: number): void {
    this.#bytes[this.#end++] = value >>> 8;
    this.#bytes[this.#end++] = value;
  }

  uint32(value: number): void {
    this.uint16(value >>> 16);
    this.uint16(value & 0xffff);
  }

  /** Copies bytes whose room the frame's header made. */
  push(bytes: Uint8Array): void {
    this.#bytes.set(bytes, this.#end);
    this.#end += bytes.length;
  }

  /** Copies ASCII text, making room for it. */
  text(text: string): void {
    this.#reserve(text.length);
    for (let i = 0; i < text.length; i++) this.#bytes[this.#end++] = text.charCodeAt(i);
  }

  #reserve(bytes: number): void {
    if (this.#end + bytes <= this.#bytes.length) return;
    const length = this.length;
    if (length + bytes <= this.#bytes.length) this.#bytes.copyWithin(0, this.#start, this.#end);
    else {
      const grown = new Uint8Array(Math.max(this.#bytes.length * 2, length + bytes));
      grown.set(this.#bytes.subarray(this.#start, this.#end));
      this.#bytes = grown;
    }
    this.#start = 0;
    this.#end = length;
  }
}

/** SPDY's name/value blocks (SPDY/3 §2.6.10) as pairs, and their compressed form as we send it; decompression is elsewhere. */
import type { HeaderField } from "../h2/header-field.ts";
import { err, ok, type Result } from "../result.ts";

const decoder = new TextDecoder();
const encoder = new TextEncoder();

/** Reads a decompressed block. Several values of a name, which a zero byte separates, become several pairs. */
export function parseHeaderBlock(block: Uint8Array, headersMax: number): Result<HeaderField[]> {
  const view = new DataView(block.buffer, block.byteOffset, block.byteLength);
  if (block.length < 4) return err("a header block without a count");
  const count = view.getUint32(0);
  if (count > headersMax) return err(`more than ${headersMax} headers`);
  const fields: HeaderField[] = [];
  let at = 4;
  for (let i = 0; i < count; i++) {
    const name = readText(view, at);
    const value = name === undefined ? undefined : readText(view, name.end);
    if (name === undefined || value === undefined) return err("a header block that is cut short");
    if (name.text === "" || name.text !== name.text.toLowerCase())
      return err("a header name that is not in lower case");
    at = value.end;
    for (const each of value.text.split("\0")) fields.push([name.text, each]);
  }
  return at === block.length ? ok(fields) : err("bytes behind the last header");
}

function readText(view: DataView, at: number): { readonly text: string; readonly end: number } | undefined {
  if (at + 4 > view.byteLength) return undefined;
  const length = view.getUint32(at);
  const end = at + 4 + length;
  if (end > view.byteLength) return undefined;
  return { text: decoder.decode(new Uint8Array(view.buffer, view.byteOffset + at + 4, length)), end };
}

/** A block's bytes, not compressed. */
export function formatHeaderBlock(fields: readonly HeaderField[]): Uint8Array {
  const parts = fields.flatMap(([name, value]) => [encoder.encode(name), encoder.encode(value)]);
  const bytes = new Uint8Array(4 + parts.reduce((sum, part) => sum + 4 + part.length, 0));
  const view = new DataView(bytes.buffer);
  view.setUint32(0, fields.length);
  let at = 4;
  for (const part of parts) {
    view.setUint32(at, part.length);
    bytes.set(part, at + 4);
    at += 4 + part.length;
  }
  return bytes;
}

/** The longest part of a stored block of deflate. */
const storedBytesMax = 0xffff;
/** zlib, no dictionary: the header of a stream whose blocks are stored as they are. */
const streamHead = [0x78, 0x01];

/**
 * Makes header blocks of one direction: one zlib stream in which nothing is compressed, as we send few headers and short ones.
 * An empty stored block behind each makes the reader give what it has.
 */
export class HeaderDeflater {
  #hasBegun = false;

  /** The next block. */
  deflate(fields: readonly HeaderField[]): Uint8Array {
    const block = formatHeaderBlock(fields);
    const bytes: number[] = this.#hasBegun ? [] : [...streamHead];
    this.#hasBegun = true;
    for (let at = 0; at < block.length; at += storedBytesMax) {
      const part = block.subarray(at, at + storedBytesMax);
      bytes.push(...storedHead(part.length), ...part);
    }
    bytes.push(...storedHead(0));
    return Uint8Array.from(bytes);
  }
}

function storedHead(length: number): number[] {
  const opposite = length ^ 0xffff;
  return [0, length & 0xff, length >> 8, opposite & 0xff, opposite >> 8];
}

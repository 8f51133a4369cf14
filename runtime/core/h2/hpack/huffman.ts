/** Huffman coding of header strings (RFC 7541 §5.2); a string holds one octet per UTF-16 unit. */
import { codeBitsMax, endOfString, huffmanCode } from "./huffman-code.ts";

/** Codes up to this length are decoded by one look-up: all of the letters, digits and common signs. */
const quickBits = 9;

/** By the next 9 bits: symbol << 4 | code length, or 0 where the code is longer. */
const quickTable: Uint16Array = buildQuickTable();

/** How many bytes the coded form takes. */
export function huffmanLength(text: string): number {
  const { lengths } = huffmanCode;
  let bits = 0;
  for (let i = 0; i < text.length; i++) bits += lengths[text.charCodeAt(i) & 0xff] ?? 0;
  return (bits + 7) >>> 3;
}

/** Writes the coded form at `at` and returns the position after it; the room must be there. */
export function writeHuffman(text: string, out: Uint8Array, at: number): number {
  const { codes, lengths } = huffmanCode;
  let pending = 0;
  let pendingBits = 0;
  let position = at;
  for (let i = 0; i < text.length; i++) {
    const symbol = text.charCodeAt(i) & 0xff;
    let code = codes[symbol] ?? 0;
    let bits = lengths[symbol] ?? 0;
    if (bits > 24) {
      // Seven pending bits and 24 of a code are what a 32-bit integer holds: a longer code goes in two parts.
      const low = bits - 16;
      pending = (pending << 16) | (code >>> low);
      pendingBits += 16;
      while (pendingBits >= 8) out[position++] = pending >>> (pendingBits -= 8);
      pending &= (1 << pendingBits) - 1;
      code &= (1 << low) - 1;
      bits = low;
    }
    pending = (pending << bits) | code;
    pendingBits += bits;
    while (pendingBits >= 8) out[position++] = pending >>> (pendingBits -= 8);
    pending &= (1 << pendingBits) - 1;
  }
  if (pendingBits > 0) out[position++] = (pending << (8 - pendingBits)) | (0xff >>> pendingBits);
  return position;
}

/**
 * Decodes the bytes from `start` to `end`.
 * @returns undefined when they end within a code, pad with anything but fewer than 8 ones, or hold the end-of-string symbol.
 */
export function readHuffman(bytes: Uint8Array, start: number, end: number): string | undefined {
  const reader = new BitReader(bytes, start, end);
  const octets: number[] = [];
  while (!reader.isAtPadding()) {
    const quick = quickTable[reader.peek(quickBits)] ?? 0;
    const bits = quick & 0xf;
    let symbol = quick >>> 4;
    if (bits > 0 && bits <= reader.bits) reader.skip(bits);
    else symbol = readLongCode(reader);
    if (symbol === endOfString) return undefined;
    octets.push(symbol);
  }
  return octetsToString(octets);
}

/** Looks at the next bits of a stretch of bytes. */
class BitReader {
  readonly #bytes: Uint8Array;
  readonly #end: number;
  #position: number;
  /** The bits read but not taken, right-aligned: at most 24. */
  #window = 0;
  bits = 0;

  constructor(bytes: Uint8Array, start: number, end: number) {
    this.#bytes = bytes;
    this.#position = start;
    this.#end = end;
  }

  /** Nothing is left but padding: fewer than 8 bits, all ones. */
  isAtPadding(): boolean {
    while (this.bits <= 16 && this.#position < this.#end) {
      this.#window = (this.#window << 8) | (this.#bytes[this.#position++] ?? 0);
      this.bits += 8;
    }
    return this.bits < 8 && this.#window === onesBelow(this.bits);
  }

  /** The next bits; ones stand in beyond the end, as padding does. */
  peek(count: number): number {
    const missing = count - this.bits;
    return missing > 0 ? (this.#window << missing) | onesBelow(missing) : this.#window >>> -missing;
  }

  skip(count: number): void {
    this.bits -= count;
    this.#window &= onesBelow(this.bits);
  }

  /** The next bit, or -1 at the end. */
  next(): number {
    if (this.bits === 0) {
      if (this.#position >= this.#end) return -1;
      this.#window = this.#bytes[this.#position++] ?? 0;
      this.bits = 8;
    }
    const bit = this.peek(1);
    this.skip(1);
    return bit;
  }
}

/** Takes one code bit by bit: those longer than the quick table are rare. A code cut short counts as the end-of-string symbol. */
function readLongCode(reader: BitReader): number {
  const { firstCode, counts, firstIndex, ordered } = huffmanCode;
  let code = 0;
  for (let length = 1; length <= codeBitsMax; length++) {
    const bit = reader.next();
    if (bit < 0) return endOfString;
    code = code * 2 + bit;
    const offset = code - (firstCode[length] ?? 0);
    if (offset >= 0 && offset < (counts[length] ?? 0))
      return ordered[(firstIndex[length] ?? 0) + offset] ?? endOfString;
  }
  return endOfString;
}

/** Makes a string of octets, in pieces that an argument list can hold. */
function octetsToString(octets: readonly number[]): string {
  if (octets.length <= 4096) return String.fromCharCode(...octets);
  let text = "";
  for (let i = 0; i < octets.length; i += 4096) text += String.fromCharCode(...octets.slice(i, i + 4096));
  return text;
}

function onesBelow(bits: number): number {
  return (1 << bits) - 1;
}

function buildQuickTable(): Uint16Array {
  const table = new Uint16Array(1 << quickBits);
  for (let symbol = 0; symbol < 256; symbol++) {
    const bits = huffmanCode.lengths[symbol] ?? 0;
    if (bits > quickBits) continue;
    const first = (huffmanCode.codes[symbol] ?? 0) << (quickBits - bits);
    table.fill((symbol << 4) | bits, first, first + (1 << (quickBits - bits)));
  }
  return table;
}

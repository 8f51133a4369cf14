/** Canonical Huffman codes of deflate (RFC 1951 §3.2.2): made from lengths, decoded bit by bit, which is enough for headers. */
import type { BitInput } from "./bit-input.ts";

const longest = 15;

/** A code: how many symbols each length has, and the symbols in their order. */
export interface HuffmanCode {
  readonly counts: readonly number[];
  readonly symbols: readonly number[];
}

/** Makes a code from the length of each symbol, 0 for one that is not used. */
export function makeCode(lengths: readonly number[]): HuffmanCode {
  const counts = Array.from({ length: longest + 1 }, () => 0);
  for (const length of lengths) counts[length] = (counts[length] ?? 0) + 1;
  counts[0] = 0;
  const symbols = lengths
    .map((length, symbol) => ({ length, symbol }))
    .filter(({ length }) => length > 0)
    .sort((a, b) => a.length - b.length || a.symbol - b.symbol)
    .map(({ symbol }) => symbol);
  return { counts, symbols };
}

/** Reads one symbol; undefined for bits that are no symbol's code. */
export function decodeSymbol({ counts, symbols }: HuffmanCode, input: BitInput): number | undefined {
  let code = 0;
  let first = 0;
  let index = 0;
  for (let length = 1; length <= longest; length++) {
    code |= input.bits(1);
    const count = counts[length] ?? 0;
    if (code - first < count) return symbols[index + code - first];
    index += count;
    first = (first + count) << 1;
    code <<= 1;
  }
  return undefined;
}

/** The order in which the lengths of the code for code lengths come. */
const order = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

/** Reads the code for code lengths (RFC 1951 §3.2.7). */
export function codeLengthCode(input: BitInput): HuffmanCode {
  const count = input.bits(4) + 4;
  const lengths = Array.from({ length: order.length }, () => 0);
  for (const symbol of order.slice(0, count)) lengths[symbol] = input.bits(3);
  return makeCode(lengths);
}

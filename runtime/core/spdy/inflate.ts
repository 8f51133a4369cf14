/**
 * Decompresses the header blocks of one direction of a SPDY connection (RFC 1950, RFC 1951): one zlib stream, of which each block is a
 * flushed piece. Not a general inflater: a piece must hold whole deflate blocks and end on a byte.
 */
import { err, ok, type Result } from "../result.ts";
import { headerDictionary, headerDictionaryId } from "./dictionary.ts";
import { codeLengthCode, decodeSymbol, type HuffmanCode, makeCode } from "./huffman.ts";
import { BitInput, CutShort } from "./bit-input.ts";

const windowBytes = 32 << 10;

/** The decompressing half of a connection's header context. */
export class HeaderInflater {
  readonly #bytesMax: number;
  /** What later blocks may refer to: the dictionary, then what was decompressed. */
  #window: Uint8Array = new Uint8Array(0);
  #hasBegun = false;

  /** @param bytesMax the longest header block, decompressed */
  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** Decompresses the next block; after an error the context is lost, and the connection with it. */
  inflate(block: Uint8Array): Result<Uint8Array> {
    const input = new BitInput(block);
    try {
      const refused = this.#hasBegun ? undefined : this.#begin(input);
      if (refused !== undefined) return err(refused);
      const start = this.#window.length;
      const output = new Uint8Array(start + this.#bytesMax);
      output.set(this.#window);
      const state = { output, at: start };
      const wrong = inflateBlocks(input, state);
      if (wrong !== undefined) return err(wrong);
      const made = output.slice(start, state.at);
      this.#window = output.slice(Math.max(0, state.at - windowBytes), state.at);
      return ok(made);
    } catch (error) {
      if (error instanceof CutShort) return err("a header block that is cut short");
      throw error;
    }
  }

  /** Reads the zlib header: which compression, and whether with our dictionary. */
  #begin(input: BitInput): string | undefined {
    const method = input.bits(8);
    const flags = input.bits(8);
    if ((method & 0x0f) !== 8 || ((method << 8) | flags) % 31 !== 0)
      return "a header stream that is not zlib";
    if ((flags & 0x20) !== 0) {
      let id = 0;
      for (let i = 0; i < 4; i++) id = id * 256 + input.bits(8);
      if (id !== headerDictionaryId) return "another dictionary than SPDY/3's";
      this.#window = headerDictionary;
    }
    this.#hasBegun = true;
    return undefined;
  }
}

interface Output {
  readonly output: Uint8Array;
  at: number;
}

const tooLong = "a header block that is too long";

function inflateBlocks(input: BitInput, state: Output): string | undefined {
  for (;;) {
    // A flushed piece ends with an empty stored block, so on a byte.
    if (input.isAtEnd) return undefined;
    const isFinal = input.bits(1) === 1;
    const kind = input.bits(2);
    const wrong = inflateBlock(kind, input, state);
    if (wrong !== undefined) return wrong;
    if (isFinal) return "a header stream that ends before its connection";
  }
}

function inflateBlock(kind: number, input: BitInput, state: Output): string | undefined {
  if (kind === 0) return copyStored(input, state);
  if (kind === 1) return inflateCodes(input, fixedCodes, state);
  if (kind === 2) {
    const codes = readCodes(input);
    return typeof codes === "string" ? codes : inflateCodes(input, codes, state);
  }
  return "a deflate block of no known kind";
}

function copyStored(input: BitInput, state: Output): string | undefined {
  input.alignToByte();
  const length = input.bits(16);
  if ((input.bits(16) ^ 0xffff) !== length) return "a stored block whose lengths differ";
  if (state.at + length > state.output.length) return tooLong;
  state.output.set(input.bytes(length), state.at);
  state.at += length;
  return undefined;
}

interface Codes {
  readonly literals: HuffmanCode;
  readonly distances: HuffmanCode;
}

const lengthBases = [
  3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195,
  227, 258,
];
const lengthExtras = [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0];
const distanceBases = [
  1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097,
  6145, 8193, 12289, 16385, 24577,
];
const distanceExtras = [
  0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13,
];
const endOfBlock = 256;
const noCode = "a code that no symbol has";

function inflateCodes(input: BitInput, codes: Codes, state: Output): string | undefined {
  for (;;) {
    const symbol = decodeSymbol(codes.literals, input);
    if (symbol === undefined) return noCode;
    if (symbol === endOfBlock) return undefined;
    if (symbol < endOfBlock) {
      if (state.at >= state.output.length) return tooLong;
      state.output[state.at++] = symbol;
      continue;
    }
    const wrong = copyMatch(symbol - endOfBlock - 1, input, codes.distances, state);
    if (wrong !== undefined) return wrong;
  }
}

function copyMatch(
  index: number,
  input: BitInput,
  distances: HuffmanCode,
  state: Output,
): string | undefined {
  const lengthBase = lengthBases[index];
  if (lengthBase === undefined) return noCode;
  const length = lengthBase + input.bits(lengthExtras[index] ?? 0);
  const symbol = decodeSymbol(distances, input);
  const distanceBase = symbol === undefined ? undefined : distanceBases[symbol];
  if (symbol === undefined || distanceBase === undefined) return noCode;
  const distance = distanceBase + input.bits(distanceExtras[symbol] ?? 0);
  if (distance > state.at) return "a reference to before the beginning";
  if (state.at + length > state.output.length) return tooLong;
  // Byte by byte, for a match may overlap what it makes.
  for (let i = 0; i < length; i++) state.output[state.at] = state.output[state.at++ - distance] ?? 0;
  return undefined;
}

const fixedCodes: Codes = {
  literals: makeFixed(288, (symbol) => (symbol < 144 ? 8 : symbol < 256 ? 9 : symbol < 280 ? 7 : 8)),
  distances: makeFixed(30, () => 5),
};

function makeFixed(count: number, lengthOf: (symbol: number) => number): HuffmanCode {
  return makeCode(Array.from({ length: count }, (_, symbol) => lengthOf(symbol)));
}

/** Reads the codes of a block that brings its own. */
function readCodes(input: BitInput): Codes | string {
  const literals = input.bits(5) + 257;
  const distances = input.bits(5) + 1;
  if (literals > 286 || distances > 30) return "more codes than there are";
  const lengths = readLengths(input, literals + distances);
  if (typeof lengths === "string") return lengths;
  return { literals: makeCode(lengths.slice(0, literals)), distances: makeCode(lengths.slice(literals)) };
}

/** The three symbols that stand for several lengths: how many, told in so many bits, and whether of the last one or of 0. */
const repetitions: ReadonlyMap<number, { readonly least: number; readonly bits: number }> = new Map([
  [16, { least: 3, bits: 2 }],
  [17, { least: 3, bits: 3 }],
  [18, { least: 11, bits: 7 }],
]);
const repeatsLast = 16;

function readLengths(input: BitInput, count: number): number[] | string {
  const code = codeLengthCode(input);
  const lengths: number[] = [];
  while (lengths.length < count) {
    const symbol = decodeSymbol(code, input);
    if (symbol === undefined) return noCode;
    const repetition = repetitions.get(symbol);
    const last = lengths.at(-1);
    if (repetition === undefined) lengths.push(symbol);
    else if (symbol === repeatsLast && last === undefined) return "a repetition of nothing";
    else {
      const times = repetition.least + input.bits(repetition.bits);
      const repeated = symbol === repeatsLast ? (last ?? 0) : 0;
      for (let i = 0; i < times; i++) lengths.push(repeated);
    }
  }
  return lengths.length > count ? "more code lengths than were told" : lengths;
}

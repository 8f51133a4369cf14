/** The static Huffman code of HPACK (RFC 7541 Appendix B), derived from its code lengths; it codes nothing itself. */

/**
 * Symbols by code length, each list ascending. The code is canonical: within a length codes count up with the
 * symbol, and the first code of a length follows the last of the one before, shifted. So lengths say it all.
 */
const symbolsByLength: readonly (readonly [bits: number, symbols: string])[] = [
  [5, "48-50 97 99 101 105 111 115-116"],
  [6, "32 37 45-47 51-57 61 65 95 98 100 102-104 108-110 112 114 117"],
  [7, "58 66-87 89 106-107 113 118-122"],
  [8, "38 42 44 59 88 90"],
  [10, "33-34 40-41 63"],
  [11, "39 43 124"],
  [12, "35 62"],
  [13, "0 36 64 91 93 126"],
  [14, "94 125"],
  [15, "60 96 123"],
  [19, "92 195 208"],
  [20, "128 130-131 162 184 194 224 226"],
  [21, "153 161 167 172 176-177 179 209 216-217 227 229-230"],
  [22, "129 132-134 136 146 154 156 160 163-164 169-170 173 178 181 185-187 189-190 196 198 228 232-233"],
  [23, "1 135 137-141 143 147 149-152 155 157-158 165-166 168 174-175 180 182-183 188 191 197 231 239"],
  [24, "9 142 144-145 148 159 171 206 215 225 236-237"],
  [25, "199 207 234-235"],
  [26, "192-193 200-202 205 210 213 218-219 238 240 242-243 255"],
  [27, "203-204 211-212 214 221-223 241 244-248 250-254"],
  [28, "2-8 11-12 14-21 23-31 127 220 249"],
  [30, "10 13 22 256"],
];

/** The symbol that only pads: its code is all ones, and it may not be sent (§5.2). */
export const endOfString = 256;

/** The longest code. */
export const codeBitsMax = 30;

/** The code of every octet, and of the end-of-string symbol. */
export interface HuffmanCode {
  /** Code by symbol, right-aligned. */
  readonly codes: Uint32Array;
  /** Code length by symbol. */
  readonly lengths: Uint8Array;
  /** Symbols ordered by (length, symbol): the canonical order. */
  readonly ordered: Uint16Array;
  /** By length: the first code of that length. */
  readonly firstCode: Uint32Array;
  /** By length: how many codes have it. */
  readonly counts: Uint16Array;
  /** By length: where its symbols start in `ordered`. */
  readonly firstIndex: Uint16Array;
}

/** The code, made once from the table above. */
export const huffmanCode: HuffmanCode = buildCode();

function buildCode(): HuffmanCode {
  const code: HuffmanCode = {
    codes: new Uint32Array(257),
    lengths: new Uint8Array(257),
    ordered: new Uint16Array(257),
    firstCode: new Uint32Array(codeBitsMax + 1),
    counts: new Uint16Array(codeBitsMax + 1),
    firstIndex: new Uint16Array(codeBitsMax + 1),
  };
  let next = 0;
  let lastBits = 0;
  let index = 0;
  for (const [bits, ranges] of symbolsByLength) {
    next *= 2 ** (bits - lastBits);
    lastBits = bits;
    const symbols = ranges.split(" ").flatMap(expandRange);
    code.firstCode[bits] = next;
    code.counts[bits] = symbols.length;
    code.firstIndex[bits] = index;
    for (const symbol of symbols) {
      code.codes[symbol] = next++;
      code.lengths[symbol] = bits;
      code.ordered[index++] = symbol;
    }
  }
  return code;
}

function expandRange(range: string): number[] {
  const [first = 0, last = first] = range.split("-").map(Number);
  return Array.from({ length: last - first + 1 }, (_, i) => first + i);
}

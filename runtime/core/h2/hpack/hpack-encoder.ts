/** Encodes field lists into HPACK header blocks (RFC 7541), Huffman where it is shorter; chooses what to index. */
import type { HeaderField } from "../header-field.ts";
import { DynamicTable, fieldBytes } from "./dynamic-table.ts";
import { huffmanLength, writeHuffman } from "./huffman.ts";
import { fieldKey, firstDynamicIndex, staticFields, staticNames } from "./static-table.ts";

/** Values that differ each time would only push useful entries out of the table. */
const neverRepeated: ReadonlySet<string> = new Set([
  ":path",
  "content-length",
  "date",
  "etag",
  "forwarded",
  "if-modified-since",
  "if-none-match",
  "last-modified",
  "location",
  "traceparent",
  "x-request-id",
]);

/** Secrets are marked so that no hop indexes them (§7.1.3). */
const secrets: ReadonlySet<string> = new Set([
  "authorization",
  "cookie",
  "proxy-authorization",
  "set-cookie",
]);

/** Larger values are not worth a place in the table of 4 KiB. */
const indexedValueBytesMax = 1024;

/** Names whose literal form is remembered; more of them, and longer ones, would be a peer's doing. */
const nameCacheMax = 256;
const cachedNameBytesMax = 64;

/** One connection's encoder. */
export class HpackEncoder {
  readonly #table: DynamicTable;
  /** Insertion numbers of whole fields and of names that the table holds; the newest of each. */
  readonly #fields = new Map<string, number>();
  readonly #names = new Map<string, number>();
  /** Encoded name literals: length, Huffman code and all, so that a CONNECT's fixed part is copied, not coded. */
  readonly #nameLiterals = new Map<string, Uint8Array>();
  #inserted = 0;
  #evicted = 0;
  /** Sizes to announce at the next block: the smallest one passed through, and the last (§4.2). */
  #smallestResize: number | undefined;
  #out: Uint8Array = new Uint8Array(1024);
  #at = 0;

  constructor(tableBytesMax: number) {
    this.#table = new DynamicTable(tableBytesMax, (field) => this.#forget(field));
  }

  /** The dynamic table's size in octets. */
  get tableBytes(): number {
    return this.#table.bytes;
  }

  /** Follows the peer's SETTINGS_HEADER_TABLE_SIZE, up to `limit` of our own; announced in the next block. */
  resizeTable(bytesMax: number): void {
    if (bytesMax === this.#table.bytesMax && this.#smallestResize === undefined) return;
    this.#smallestResize = Math.min(this.#smallestResize ?? bytesMax, bytesMax);
    this.#table.resize(bytesMax);
  }

  /** Encodes a block. The view is valid until the next call. */
  encode(fields: readonly HeaderField[]): Uint8Array {
    this.#at = 0;
    if (this.#smallestResize !== undefined) this.#announceResize(this.#smallestResize);
    for (const [name, value] of fields) this.#encodeField(name, value);
    return this.#out.subarray(0, this.#at);
  }

  #announceResize(smallest: number): void {
    this.#reserve(12);
    if (smallest < this.#table.bytesMax) this.#writeInteger(smallest, 5, 0x20);
    this.#writeInteger(this.#table.bytesMax, 5, 0x20);
    this.#smallestResize = undefined;
  }

  #encodeField(name: string, value: string): void {
    this.#reserve(16 + name.length * 4 + value.length * 4);
    const whole = this.#findField(name, value);
    if (whole > 0) {
      this.#writeInteger(whole, 7, 0x80);
      return;
    }
    const nameIndex = this.#findName(name);
    if (secrets.has(name)) this.#writeName(name, nameIndex, 4, 0x10);
    else if (!this.#isWorthIndexing(name, value)) this.#writeName(name, nameIndex, 4, 0);
    else {
      this.#writeName(name, nameIndex, 6, 0x40);
      this.#remember(name, value);
    }
    this.#writeString(value);
  }

  #findField(name: string, value: string): number {
    const key = fieldKey(name, value);
    const known = staticFields.get(key);
    if (known !== undefined) return known;
    const insertion = this.#fields.get(key);
    return insertion === undefined ? 0 : this.#indexOf(insertion);
  }

  #findName(name: string): number {
    const known = staticNames.get(name);
    if (known !== undefined) return known;
    const insertion = this.#names.get(name);
    return insertion === undefined ? 0 : this.#indexOf(insertion);
  }

  #indexOf(insertion: number): number {
    return firstDynamicIndex + (this.#inserted - 1 - insertion);
  }

  #isWorthIndexing(name: string, value: string): boolean {
    return (
      !neverRepeated.has(name) &&
      value.length <= indexedValueBytesMax &&
      fieldBytes(name, value) <= this.#table.bytesMax / 2
    );
  }

  #remember(name: string, value: string): void {
    if (!this.#table.insert([name, value])) return;
    this.#fields.set(fieldKey(name, value), this.#inserted);
    this.#names.set(name, this.#inserted);
    this.#inserted++;
  }

  #forget([name, value]: HeaderField): void {
    const insertion = this.#evicted++;
    const key = fieldKey(name, value);
    if (this.#fields.get(key) === insertion) this.#fields.delete(key);
    if (this.#names.get(name) === insertion) this.#names.delete(name);
  }

  // The name goes out before the entry is inserted: an index refers to the table as the decoder has it then (§4.4).
  #writeName(name: string, index: number, prefixBits: number, pattern: number): void {
    if (index > 0) {
      this.#writeInteger(index, prefixBits, pattern);
      return;
    }
    this.#out[this.#at++] = pattern;
    const literal = this.#nameLiterals.get(name);
    if (literal !== undefined) {
      this.#out.set(literal, this.#at);
      this.#at += literal.length;
      return;
    }
    const start = this.#at;
    this.#writeString(name);
    if (this.#nameLiterals.size < nameCacheMax && name.length <= cachedNameBytesMax) {
      this.#nameLiterals.set(name, this.#out.slice(start, this.#at));
    }
  }

  #writeString(text: string): void {
    const coded = huffmanLength(text);
    if (coded < text.length) {
      this.#writeInteger(coded, 7, 0x80);
      this.#at = writeHuffman(text, this.#out, this.#at);
      return;
    }
    this.#writeInteger(text.length, 7, 0);
    for (let i = 0; i < text.length; i++) this.#out[this.#at++] = text.charCodeAt(i);
  }

  #writeInteger(value: number, prefixBits: number, pattern: number): void {
    const mask = (1 << prefixBits) - 1;
    if (value < mask) {
      this.#out[this.#at++] = pattern | value;
      return;
    }
    this.#out[this.#at++] = pattern | mask;
    let rest = value - mask;
    while (rest >= 0x80) {
      this.#out[this.#at++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    this.#out[this.#at++] = rest;
  }

  #reserve(bytes: number): void {
    if (this.#at + bytes <= this.#out.length) return;
    const grown = new Uint8Array(Math.max(this.#out.length * 2, this.#at + bytes));
    grown.set(this.#out.subarray(0, this.#at));
    this.#out = grown;
  }
}

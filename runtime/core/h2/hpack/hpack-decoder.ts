/** Decodes HPACK header blocks (RFC 7541) into field lists of bounded size; the meaning of fields is not its business. */
import { err, ok, type Result } from "#core/result.ts";
import type { HeaderField } from "../header-field.ts";
import { DynamicTable, fieldBytes } from "./dynamic-table.ts";
import { readHuffman } from "./huffman.ts";
import { firstDynamicIndex, staticTable } from "./static-table.ts";

/** A header block decoded. */
export interface DecodedBlock {
  readonly fields: HeaderField[];
  /** The list outgrew its bound; `fields` holds only its beginning, while the table is in step with the peer's. */
  readonly isTooLarge: boolean;
}

/** Integers beyond this make no sense in a header block, and stay far from 32-bit trouble (§5.1 asks for a bound). */
const integerMax = 1 << 24;

/** One connection's decoder: its dynamic table lives as long as the connection. */
export class HpackDecoder {
  readonly #table: DynamicTable;
  readonly #listBytesMax: number;
  /** The table size we announced: what the encoder may choose at most. */
  readonly #tableBytesLimit: number;
  #bytes: Uint8Array = new Uint8Array(0);
  #at = 0;
  #problem = "";

  constructor(options: { readonly tableBytesMax: number; readonly listBytesMax: number }) {
    this.#tableBytesLimit = options.tableBytesMax;
    this.#listBytesMax = options.listBytesMax;
    this.#table = new DynamicTable(options.tableBytesMax);
  }

  /** The dynamic table's size in octets. */
  get tableBytes(): number {
    return this.#table.bytes;
  }

  /** Decodes one whole block. A failure is a connection error of type COMPRESSION_ERROR: the tables differ from then on. */
  decode(block: Uint8Array): Result<DecodedBlock> {
    this.#bytes = block;
    this.#at = 0;
    this.#problem = "";
    const fields: HeaderField[] = [];
    let listBytes = 0;
    let seenField = false;
    while (this.#at < block.length && this.#problem === "") {
      const first = block[this.#at] ?? 0;
      if ((first & 0xe0) === 0x20) {
        this.#resizeTable(seenField);
        continue;
      }
      seenField = true;
      const field = this.#readField(first);
      if (field === undefined) break;
      listBytes += fieldBytes(field[0], field[1]);
      if (listBytes <= this.#listBytesMax) fields.push(field);
    }
    this.#bytes = nothing;
    if (this.#problem !== "") return err(this.#problem);
    return ok({ fields, isTooLarge: listBytes > this.#listBytesMax });
  }

  #readField(first: number): HeaderField | undefined {
    if (first >= 0x80) return this.#lookUp(this.#readInteger(7));
    const isIndexed = first >= 0x40;
    const nameIndex = this.#readInteger(isIndexed ? 6 : 4);
    const name = nameIndex === 0 ? this.#readString() : this.#lookUp(nameIndex)?.[0];
    if (name === undefined || this.#problem !== "") return undefined;
    const value = this.#readString();
    if (value === undefined) return undefined;
    const field: HeaderField = [name, value];
    if (isIndexed) this.#table.insert(field);
    return field;
  }

  #lookUp(index: number): HeaderField | undefined {
    const field =
      index < firstDynamicIndex ? staticTable[index - 1] : this.#table.at(index - firstDynamicIndex);
    if (field === undefined) this.#fail(`Cannot find a field at an index of the tables: ${index}`);
    return field;
  }

  /** §4.2, §6.3: only at the beginning of a block, and never beyond what we announced. */
  #resizeTable(seenField: boolean): void {
    const bytes = this.#readInteger(5);
    if (this.#problem !== "") return;
    if (seenField) this.#fail("Cannot resize the header table after a field of the block");
    else if (bytes > this.#tableBytesLimit) {
      this.#fail(`Cannot resize the header table as at most ${this.#tableBytesLimit} bytes: ${bytes}`);
    } else this.#table.resize(bytes);
  }

  #readInteger(prefixBits: number): number {
    const mask = (1 << prefixBits) - 1;
    let value = (this.#bytes[this.#at++] ?? 0) & mask;
    if (value < mask) return value;
    for (let shift = 0; shift <= 21; shift += 7) {
      const byte = this.#bytes[this.#at++];
      if (byte === undefined) return this.#fail("Cannot read an integer as whole: the block ends in it");
      value += (byte & 0x7f) << shift;
      if (value > integerMax) break;
      if (byte < 0x80) return value;
    }
    return this.#fail(`Cannot read an integer as at most ${integerMax}: it is larger`);
  }

  #readString(): string | undefined {
    const first = this.#bytes[this.#at];
    if (first === undefined) return this.#failString("the block ends before it");
    const length = this.#readInteger(7);
    if (this.#problem !== "") return undefined;
    const start = this.#at;
    const end = start + length;
    if (end > this.#bytes.length) return this.#failString("the block ends in it");
    this.#at = end;
    if (first < 0x80) return latin1(this.#bytes, start, end);
    return readHuffman(this.#bytes, start, end) ?? this.#failString("its Huffman code is malformed");
  }

  #fail(problem: string): number {
    this.#problem = problem;
    return 0;
  }

  #failString(reason: string): undefined {
    this.#fail(`Cannot read a header string as whole: ${reason}`);
    return undefined;
  }
}

const nothing = new Uint8Array(0);

/** Octets as a string, in pieces that an argument list can hold. */
function latin1(bytes: Uint8Array, start: number, end: number): string {
  if (end - start <= 4096) return String.fromCharCode(...bytes.subarray(start, end));
  let text = "";
  for (let i = start; i < end; i += 4096) {
    text += String.fromCharCode(...bytes.subarray(i, Math.min(end, i + 4096)));
  }
  return text;
}

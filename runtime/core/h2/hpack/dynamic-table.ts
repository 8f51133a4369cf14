/** The dynamic table of HPACK (RFC 7541 §2.3.2, §4): first in, first out, bounded in octets; both ends keep one. */
import type { HeaderField } from "../header-field.ts";

/** What an entry costs beside its name and value (§4.1). */
export const entryOverheadBytes = 32;

/** A field's size as the table and SETTINGS_MAX_HEADER_LIST_SIZE count it. */
export function fieldBytes(name: string, value: string): number {
  return name.length + value.length + entryOverheadBytes;
}

/** Entries by age. Position 0 is the newest. */
export class DynamicTable {
  /** Oldest first, so that an insertion appends; entries before `#oldest` are gone. */
  #entries: HeaderField[] = [];
  #oldest = 0;
  #bytes = 0;
  #bytesMax: number;
  readonly #onEvict: (field: HeaderField) => void;

  constructor(bytesMax: number, onEvict: (field: HeaderField) => void = ignoreEviction) {
    this.#bytesMax = bytesMax;
    this.#onEvict = onEvict;
  }

  /** How many entries there are. */
  get length(): number {
    return this.#entries.length - this.#oldest;
  }

  /** The octets taken, as §4.1 counts. */
  get bytes(): number {
    return this.#bytes;
  }

  get bytesMax(): number {
    return this.#bytesMax;
  }

  /** The entry at a position, 0 the newest; undefined beyond the oldest. */
  at(position: number): HeaderField | undefined {
    return position < this.length ? this.#entries[this.#entries.length - 1 - position] : undefined;
  }

  /** Adds the newest entry, evicting old ones for room; one larger than the whole table just empties it (§4.4). */
  insert(field: HeaderField): boolean {
    const size = fieldBytes(field[0], field[1]);
    this.#evictTo(this.#bytesMax - size);
    if (size > this.#bytesMax) return false;
    this.#entries.push(field);
    this.#bytes += size;
    return true;
  }

  /** Changes the bound, evicting what no longer fits. */
  resize(bytesMax: number): void {
    this.#bytesMax = bytesMax;
    this.#evictTo(bytesMax);
  }

  #evictTo(bytes: number): void {
    while (this.#bytes > bytes && this.#oldest < this.#entries.length) {
      const field = this.#entries[this.#oldest++];
      if (field === undefined) break;
      this.#bytes -= fieldBytes(field[0], field[1]);
      this.#onEvict(field);
    }
    // Dead entries are dropped in bulk, so that an eviction does not shift the whole array each time.
    if (this.#oldest > 64 && this.#oldest * 2 > this.#entries.length) {
      this.#entries = this.#entries.slice(this.#oldest);
      this.#oldest = 0;
    }
  }
}

function ignoreEviction(): void {
  // The decoder keeps no index by name, so nothing has to follow an eviction.
}

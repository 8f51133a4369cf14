/** Bits of deflate's byte order, least significant first; reading past the end throws, as it can happen anywhere. */

/** The input ended within something. */
export class CutShort extends Error {}

/** A reading position in bytes. */
export class BitInput {
  readonly #bytes: Uint8Array;
  #at = 0;
  #held = 0;
  #heldBits = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** Whether everything was read. */
  get isAtEnd(): boolean {
    return this.#at === this.#bytes.length && this.#heldBits === 0;
  }

  /** The next bits as a number. @throws CutShort */
  bits(count: number): number {
    while (this.#heldBits < count) {
      const byte = this.#bytes[this.#at++];
      if (byte === undefined) throw new CutShort();
      this.#held |= byte << this.#heldBits;
      this.#heldBits += 8;
    }
    const value = this.#held & ((1 << count) - 1);
    this.#held >>>= count;
    this.#heldBits -= count;
    return value;
  }

  /** Drops the rest of the byte. */
  alignToByte(): void {
    this.#held = 0;
    this.#heldBits = 0;
  }

  /** The next bytes, on a byte's boundary. @throws CutShort */
  bytes(count: number): Uint8Array {
    if (this.#at + count > this.#bytes.length) throw new CutShort();
    this.#at += count;
    return this.#bytes.subarray(this.#at - count, this.#at);
  }
}

/** Reads the lines around a chunk's bytes (RFC 9112 §7.1), byte by byte; extensions are bounded and dropped. */
import type { ByteInput } from "./byte-input.ts";
import { octet, octetClass } from "./characters.ts";

type State = "digits" | "extension" | "line-feed" | "end-return" | "end-feed";

/** Reads one line after another. */
export class ChunkHead {
  #state: State = "digits";
  #size = 0;
  #digits = 0;
  #extensionBytesLeft: number;

  constructor(extensionBytesMax: number) {
    this.#extensionBytesLeft = extensionBytesMax;
  }

  /** A chunk's size, why its line is refused, or undefined until more bytes come. */
  readSize(input: ByteInput): number | string | undefined {
    while (input.at < input.bytes.length) {
      const byte = input.bytes[input.at++] ?? 0;
      if (this.#state === "line-feed") {
        if (byte !== 0x0a) return "a bare CR in a chunk's line";
        return this.#takeSize();
      }
      const refused = this.#state === "digits" ? this.#onDigit(byte) : this.#onExtension(byte);
      if (refused !== undefined) return refused;
    }
    return undefined;
  }

  /** Makes ready for the line end behind a chunk's bytes. */
  expectLineEnd(): void {
    this.#state = "end-return";
  }

  /** True at the line end, why it is refused, or undefined until more bytes come. */
  readLineEnd(input: ByteInput): true | string | undefined {
    while (input.at < input.bytes.length) {
      const byte = input.bytes[input.at++] ?? 0;
      if (byte !== (this.#state === "end-return" ? 0x0d : 0x0a)) return "no line end behind a chunk's bytes";
      if (this.#state === "end-feed") {
        this.#state = "digits";
        return true;
      }
      this.#state = "end-feed";
    }
    return undefined;
  }

  #takeSize(): number {
    const size = this.#size;
    this.#state = "digits";
    this.#size = 0;
    this.#digits = 0;
    return size;
  }

  #onDigit(byte: number): string | undefined {
    const value = hexValue(byte);
    if (value >= 0) {
      // Twelve hex digits stay below 2^53; leading zeros count too, so a line cannot grow without end.
      if (++this.#digits > 12) return "a chunk size that is too long";
      this.#size = this.#size * 16 + value;
      return undefined;
    }
    if (this.#digits === 0) return "a chunk without a size";
    if (byte === 0x0d) this.#state = "line-feed";
    else if (byte === 0x3b) this.#state = "extension";
    else return "a bad chunk size";
    return undefined;
  }

  #onExtension(byte: number): string | undefined {
    if (--this.#extensionBytesLeft < 0) return "chunk extensions that are too long";
    if (byte === 0x0d) {
      this.#state = "line-feed";
      return undefined;
    }
    const kind = octetClass[byte];
    return kind === octet.plain || kind === octet.high ? undefined : "a bad character in a chunk extension";
  }
}

function hexValue(byte: number): number {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const lower = byte | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1;
}

/** Collects the lines of a head or trailer section up to its empty line, from any split of the bytes; it knows no fields. */
import { asciiText, latin1Text, octet, octetClass } from "./characters.ts";
import type { ByteInput } from "./byte-input.ts";
import { type HttpProblem, problem } from "./head.ts";

/** What reading gave: the section's lines, a refusal, or nothing yet. */
export type SectionOutcome =
  | { readonly kind: "lines"; readonly lines: readonly string[] }
  | { readonly kind: "problem"; readonly problem: HttpProblem }
  | undefined;

const bareLineEnd = problem(400, "a bare CR or LF in the head");
const badOctet = problem(400, "a control character in the head");

/** Reads one section; make a new one for the next. */
export class SectionReader {
  readonly #bytesMax: number;
  #mayStartEmpty: boolean;
  #kept: Uint8Array = new Uint8Array(0);
  #keptLength = 0;
  #lineLength = 0;
  #afterCarriageReturn = false;
  #sawHigh = false;
  #linesSeen = 0;

  /**
   * @param bytesMax the longest section, its line ends included.
   * @param mayStartEmpty whether one empty line before the first is skipped, as a server should (RFC 9112 §2.2).
   */
  constructor(bytesMax: number, mayStartEmpty: boolean) {
    this.#bytesMax = bytesMax;
    this.#mayStartEmpty = mayStartEmpty;
  }

  /** Whether a byte of the section has come. */
  get hasBegun(): boolean {
    return this.#keptLength > 0 || this.#afterCarriageReturn;
  }

  /** Reads on. */
  read(input: ByteInput): SectionOutcome {
    const start = input.at;
    for (let at = start; at < input.bytes.length; at++) {
      const kind = octetClass[input.bytes[at] ?? 0] ?? octet.bad;
      if (kind === octet.plain && !this.#afterCarriageReturn) {
        this.#lineLength++;
        continue;
      }
      const refused = this.#onSpecial(kind);
      if (refused !== undefined) return { kind: "problem", problem: refused };
      if (kind !== octet.lineFeed) continue;
      if (this.#endsSection()) return this.#finish(input, start, at + 1);
    }
    return this.#keep(input, start);
  }

  #onSpecial(kind: number): HttpProblem | undefined {
    if (kind === octet.bad) return badOctet;
    if (this.#afterCarriageReturn !== (kind === octet.lineFeed)) return bareLineEnd;
    this.#afterCarriageReturn = kind === octet.carriageReturn;
    if (kind === octet.high) {
      this.#sawHigh = true;
      this.#lineLength++;
    }
    return undefined;
  }

  /** Called at each line end: whether that line was the empty one that closes the section. */
  #endsSection(): boolean {
    const isEmpty = this.#lineLength === 0;
    this.#lineLength = 0;
    if (isEmpty && this.#linesSeen === 0 && this.#mayStartEmpty) {
      this.#mayStartEmpty = false;
      return false;
    }
    this.#linesSeen++;
    return isEmpty;
  }

  #keep(input: ByteInput, start: number): SectionOutcome {
    const added = input.bytes.length - start;
    const length = this.#keptLength + added;
    if (length > this.#bytesMax) return this.#tooLong();
    if (length > this.#kept.length) {
      // Doubling keeps a head that comes byte by byte linear in its length.
      const grown = new Uint8Array(Math.min(this.#bytesMax, Math.max(1024, length, this.#kept.length * 2)));
      grown.set(this.#kept.subarray(0, this.#keptLength));
      this.#kept = grown;
    }
    this.#kept.set(input.bytes.subarray(start), this.#keptLength);
    this.#keptLength = length;
    input.at = input.bytes.length;
    return undefined;
  }

  #finish(input: ByteInput, start: number, end: number): SectionOutcome {
    input.at = end;
    const length = this.#keptLength + end - start;
    if (length > this.#bytesMax) return this.#tooLong();
    let section = input.bytes.subarray(start, end);
    if (this.#keptLength > 0) {
      section = new Uint8Array(length);
      section.set(this.#kept.subarray(0, this.#keptLength));
      section.set(input.bytes.subarray(start, end), this.#keptLength);
    }
    const text = this.#sawHigh ? latin1Text(section) : asciiText(section);
    const lines = text.split("\r\n");
    // Every line end was followed by a split: the closing empty line and the text after it, also empty, are not lines.
    lines.length -= 2;
    if (lines[0] === "" && lines.length > 0) lines.shift();
    return { kind: "lines", lines };
  }

  #tooLong(): SectionOutcome {
    return { kind: "problem", problem: problem(431, `the head is longer than ${this.#bytesMax} bytes`) };
  }
}

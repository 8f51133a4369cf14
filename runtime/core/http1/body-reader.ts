/** Reads a message's body by its framing (RFC 9112 §6, §7) from any split of the bytes; views go on uncopied. */
import type { HeaderField } from "#core/h2/header-field.ts";
import type { ByteInput } from "./byte-input.ts";
import { ChunkHead } from "./chunk-head.ts";
import { parseFields } from "./fields.ts";
import { type Framing, type Http1Limits, type HttpProblem, problem } from "./head.ts";
import { SectionReader } from "./section-reader.ts";

/** A step of a body. */
export type BodyEvent =
  /** Some of its bytes: a view, valid as long as the input's. */
  | { readonly kind: "data"; readonly bytes: Uint8Array }
  /** Its end. */
  | { readonly kind: "end"; readonly trailers: readonly HeaderField[] }
  | { readonly kind: "problem"; readonly problem: HttpProblem };

const end: BodyEvent = { kind: "end", trailers: [] };

/** Fields that mean nothing, or something dangerous, after a body (RFC 9110 §6.5.1). */
const notTrailers: ReadonlySet<string> = new Set(
  (
    "transfer-encoding content-length host connection upgrade te trailer authorization cookie set-cookie expect " +
    "content-type content-encoding content-range"
  ).split(" "),
);

/**
 * Where a body is:
 * ```
 * bytes ──────────────────────────────▶ done          (length)
 * size ─▶ bytes ─▶ after-bytes ─▶ size … ─▶ trailers ─▶ done   (chunked)
 * close ──────────────── end of input ─▶ done          (until-close)
 * ```
 */
type State = "bytes" | "size" | "after-bytes" | "trailers" | "close" | "done";

/** Reads one body. */
export class BodyReader {
  readonly #limits: Http1Limits;
  readonly #isChunked: boolean;
  readonly #chunkHead: ChunkHead;
  #trailers: SectionReader | undefined;
  #state: State;
  #left: number;

  constructor(framing: Framing, limits: Http1Limits) {
    this.#limits = limits;
    this.#isChunked = framing.kind === "chunked";
    this.#chunkHead = new ChunkHead(limits.extensionBytesMax);
    this.#left = framing.kind === "length" ? framing.bytes : 0;
    this.#state = startOf(framing);
  }

  /** The next step, or undefined until more bytes come. After `end` or `problem` it is not called again. */
  read(input: ByteInput): BodyEvent | undefined {
    for (;;) {
      if (this.#state === "done") return end;
      if (this.#state === "trailers") return this.#readTrailers(input);
      if (input.available === 0) return undefined;
      if (this.#state === "close") return { kind: "data", bytes: input.takeAll() };
      if (this.#state === "bytes") return this.#takeBytes(input);
      const refused = this.#state === "size" ? this.#readSize(input) : this.#readAfterBytes(input);
      if (refused !== undefined) return { kind: "problem", problem: refused };
    }
  }

  /** The input ended: whether the body may end here, as only one that lasts until close may. */
  get mayEndNow(): boolean {
    return this.#state === "close";
  }

  #takeBytes(input: ByteInput): BodyEvent {
    const size = Math.min(this.#left, input.available);
    const bytes = input.bytes.subarray(input.at, input.at + size);
    input.at += size;
    this.#left -= size;
    if (this.#left === 0) {
      this.#state = this.#isChunked ? "after-bytes" : "done";
      if (this.#isChunked) this.#chunkHead.expectLineEnd();
    }
    return { kind: "data", bytes };
  }

  #readSize(input: ByteInput): HttpProblem | undefined {
    const size = this.#chunkHead.readSize(input);
    if (size === undefined) return undefined;
    if (typeof size === "string") return problem(400, size);
    this.#left = size;
    this.#state = size === 0 ? "trailers" : "bytes";
    if (size === 0) this.#trailers = new SectionReader(this.#limits.headBytesMax, false);
    return undefined;
  }

  #readAfterBytes(input: ByteInput): HttpProblem | undefined {
    const ended = this.#chunkHead.readLineEnd(input);
    if (ended === undefined) return undefined;
    if (typeof ended === "string") return problem(400, ended);
    this.#state = "size";
    return undefined;
  }

  #readTrailers(input: ByteInput): BodyEvent | undefined {
    const section = this.#trailers?.read(input);
    if (section === undefined) return undefined;
    if (section.kind === "problem") return section;
    this.#state = "done";
    if (section.lines.length === 0) return end;
    const fields = parseFields(section.lines, 0, this.#limits.headersMax);
    if (!fields.ok) return { kind: "problem", problem: fields.error };
    return { kind: "end", trailers: fields.value.filter(([name]) => !notTrailers.has(name)) };
  }
}

function startOf(framing: Framing): State {
  if (framing.kind === "length") return framing.bytes === 0 ? "done" : "bytes";
  return startStates[framing.kind];
}

const startStates = { none: "done", chunked: "size", "until-close": "close" } as const;

/** Reads one response after another from an upstream connection's bytes; each must have been expected by its request's method. */
import { BodyReader, type BodyEvent } from "./body-reader.ts";
import { ByteInput } from "./byte-input.ts";
import { responseFraming } from "./framing.ts";
import {
  defaultHttp1Limits,
  type Framing,
  type Http1Limits,
  type HttpProblem,
  problem,
  type ResponseHead,
} from "./head.ts";
import { parseResponseHead } from "./response-head.ts";
import { SectionReader } from "./section-reader.ts";

/** A step of a connection's responses. */
export type ResponseEvent =
  /** A 1xx before the response itself. After 101 the bytes are not HTTP any more: {@link ResponseReader.takeRest}. */
  | { readonly kind: "informational"; readonly head: ResponseHead }
  | { readonly kind: "head"; readonly head: ResponseHead; readonly framing: Framing }
  | BodyEvent;

/** More 1xx than this before one response is abuse: each is forwarded at once and counts against nothing else. */
const informationalMax = 16;

/** See {@link ResponseReader.read}. */
export class ResponseReader {
  readonly #limits: Http1Limits;
  readonly #input = new ByteInput();
  #head: SectionReader;
  #body: BodyReader | undefined;
  #expected: string | undefined;
  #informational = 0;
  #refused: HttpProblem | undefined;

  constructor(limits: Http1Limits = defaultHttp1Limits) {
    this.#limits = limits;
    this.#head = new SectionReader(limits.headBytesMax, false);
  }

  /** A request with this method was sent: its response comes next. */
  expect(method: string): void {
    this.#expected = method;
    this.#informational = 0;
  }

  /** Bytes received and not read yet. */
  get available(): number {
    return this.#input.available;
  }

  /** Whether the expected response has ended, or none was expected. */
  get isIdle(): boolean {
    return this.#expected === undefined;
  }

  /** Adds received bytes: borrowed until {@link read} returned undefined or {@link retain} was called. */
  push(bytes: Uint8Array): void {
    this.#input.push(bytes);
  }

  /** Copies what was pushed and not read. */
  retain(): void {
    this.#input.retain();
  }

  /** Takes what was received behind a 101. */
  takeRest(): Uint8Array {
    return this.#input.takeAll();
  }

  /** The next step; undefined until more bytes come. A problem is final. */
  read(): ResponseEvent | undefined {
    if (this.#refused !== undefined) return { kind: "problem", problem: this.#refused };
    const event = this.#body === undefined ? this.#readHead() : this.#body.read(this.#input);
    if (event?.kind === "problem") this.#refused = event.problem;
    if (event?.kind === "end") {
      this.#body = undefined;
      this.#expected = undefined;
    }
    return event;
  }

  /** The peer will send nothing more: the end of a body that lasts until close, a problem in the midst of a response, else undefined. */
  finish(): BodyEvent | undefined {
    if (this.#body?.mayEndNow === true) {
      this.#body = undefined;
      this.#expected = undefined;
      return { kind: "end", trailers: [] };
    }
    if (this.isIdle) return undefined;
    return { kind: "problem", problem: problem(502, "a response that was cut short") };
  }

  #readHead(): ResponseEvent | undefined {
    if (this.#input.available === 0) return undefined;
    const method = this.#expected;
    if (method === undefined) return refused("bytes without a request");
    const section = this.#head.read(this.#input);
    if (section === undefined || section.kind === "problem") return section;
    this.#head = new SectionReader(this.#limits.headBytesMax, false);
    const head = parseResponseHead(section.lines, this.#limits);
    if (!head.ok) return { kind: "problem", problem: head.error };
    if (head.value.status < 200) return this.#onInformational(head.value);
    const { status, version, headers } = head.value;
    const framing = responseFraming(status, version, { method, fields: headers });
    if (!framing.ok) return { kind: "problem", problem: framing.error };
    this.#body = new BodyReader(framing.value, this.#limits);
    return { kind: "head", head: head.value, framing: framing.value };
  }

  #onInformational(head: ResponseHead): ResponseEvent {
    if (++this.#informational > informationalMax) return refused("too many informational responses");
    return { kind: "informational", head };
  }
}

function refused(reason: string): ResponseEvent {
  return { kind: "problem", problem: problem(502, reason) };
}

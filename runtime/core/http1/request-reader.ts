/** Reads one request after another from a connection's bytes; the caller pulls events, so it decides when the next request begins. */
import { BodyReader, type BodyEvent } from "./body-reader.ts";
import { ByteInput } from "./byte-input.ts";
import {
  defaultHttp1Limits,
  type Framing,
  type Http1Limits,
  type HttpProblem,
  problem,
  type RequestHead,
} from "./head.ts";
import { parseRequestHead } from "./request-head.ts";
import { SectionReader } from "./section-reader.ts";

/** A step of a connection's requests. */
export type RequestEvent =
  | { readonly kind: "head"; readonly head: RequestHead; readonly framing: Framing }
  | BodyEvent;

/** See {@link RequestReader.read}. */
export class RequestReader {
  readonly #limits: Http1Limits;
  readonly #input = new ByteInput();
  #head: SectionReader;
  #body: BodyReader | undefined;
  #refused: HttpProblem | undefined;

  constructor(limits: Http1Limits = defaultHttp1Limits) {
    this.#limits = limits;
    this.#head = new SectionReader(limits.headBytesMax, true);
  }

  /** Bytes received and not read yet. */
  get available(): number {
    return this.#input.available;
  }

  /** Whether a request has begun and not ended. */
  get isInMessage(): boolean {
    return this.#body !== undefined || this.#head.hasBegun;
  }

  /** Adds received bytes: borrowed until {@link read} returned undefined or {@link retain} was called. */
  push(bytes: Uint8Array): void {
    this.#input.push(bytes);
  }

  /** Copies what was pushed and not read. */
  retain(): void {
    this.#input.retain();
  }

  /** Takes what was received behind the last request: after an upgrade it is not HTTP any more. */
  takeRest(): Uint8Array {
    return this.#input.takeAll();
  }

  /** The next step; undefined until more bytes come. A problem is final. */
  read(): RequestEvent | undefined {
    if (this.#refused !== undefined) return { kind: "problem", problem: this.#refused };
    const event = this.#body === undefined ? this.#readHead() : this.#body.read(this.#input);
    if (event?.kind === "problem") this.#refused = event.problem;
    if (event?.kind === "end") this.#body = undefined;
    return event;
  }

  /** The peer will send nothing more: a problem when that cuts a request short. */
  finish(): HttpProblem | undefined {
    return this.isInMessage ? problem(400, "a request that was cut short") : undefined;
  }

  #readHead(): RequestEvent | undefined {
    if (this.#input.available === 0) return undefined;
    const section = this.#head.read(this.#input);
    if (section === undefined || section.kind === "problem") return section;
    this.#head = new SectionReader(this.#limits.headBytesMax, true);
    const request = parseRequestHead(section.lines, this.#limits);
    if (!request.ok) return { kind: "problem", problem: request.error };
    this.#body = new BodyReader(request.value.framing, this.#limits);
    return { kind: "head", head: request.value.head, framing: request.value.framing };
  }
}

/**
 * One HTTP/1 connection to an upstream, on a stream of a tunnel: one request at a time, reused while both sides agree.
 * It never retries and knows no instances.
 */
import { encodeRequestHead } from "#core/http1/encode.ts";
import type { Framing, RequestHead, ResponseHead } from "#core/http1/head.ts";
import { keepsAlive } from "#core/http1/hop.ts";
import { type ResponseEvent, ResponseReader } from "#core/http1/response-reader.ts";
import type { HeaderField } from "#core/h2/header-field.ts";
import type { TraceContext } from "#core/telemetry/trace-context.ts";
import type { ByteStream, ByteStreamHandler } from "#host/byte-stream.ts";
import { type BodySink, type BodySource, BodyWriter } from "./body.ts";
import { Output } from "./output.ts";

/** Why a request on a connection failed. */
export interface UpstreamFailure {
  /**
   * The peer closed or reset it, or what it sent is not HTTP. `ended`: a connection that had served before was finished in
   * order without a byte of an answer, as a peer does with one that it takes for idle.
   */
  readonly kind: "closed" | "ended" | "protocol";
  readonly error: Error;
}

/** Who asked, and is told what comes. */
export interface UpstreamHandler {
  onInformational(head: ResponseHead): void;
  /** The response; its body flows once piped. */
  onHead(head: ResponseHead, framing: Framing, body: BodySource): void;
  /** A 101 that was asked for: the stream is the caller's, with the bytes that came behind it. */
  onUpgrade(head: ResponseHead, stream: ByteStream, rest: Uint8Array): void;
  /** There will be no response. Not called after `onHead`: then the body is aborted. */
  onFailure(failure: UpstreamFailure): void;
  /** The request's part is over, in whatever way; called once. */
  onOver(): void;
}

/** What is sent. */
export interface UpstreamRequest {
  readonly head: RequestHead;
  readonly framing: Framing;
  readonly body: BodySource | undefined;
  /** Whether a 101 is an answer. */
  readonly mayUpgrade: boolean;
}

/** See the file's first line. */
export class UpstreamConnection implements ByteStreamHandler, BodySource {
  /** The trace context of the stream's CONNECT. */
  readonly context: TraceContext;
  readonly #stream: ByteStream;
  readonly #output: Output;
  readonly #reader = new ResponseReader();
  readonly #onIdle: (connection: UpstreamConnection) => void;
  readonly #onClosed: (connection: UpstreamConnection) => void;
  #request: UpstreamRequest | undefined;
  #handler: UpstreamHandler | undefined;
  #sink: BodySink | undefined;
  #hasHead = false;
  #isRequestSent = false;
  #isResponseRead = false;
  #requests = 0;
  #hasAnswered = false;
  #mayStay = true;
  #isPumping = false;
  #isPaused = false;
  #isStreamPaused = false;
  #peerEnded = false;
  #failure: Error | undefined;
  #isClosed = false;

  /**
   * Takes over a stream.
   * @param events.onIdle it can take another request. @param events.onClosed it cannot any more; called once.
   */
  constructor(
    stream: ByteStream,
    context: TraceContext,
    events: {
      readonly onIdle: (connection: UpstreamConnection) => void;
      readonly onClosed: (connection: UpstreamConnection) => void;
    },
  ) {
    this.context = context;
    this.#stream = stream;
    this.#output = new Output(stream);
    this.#onIdle = events.onIdle;
    this.#onClosed = events.onClosed;
    stream.handle(this);
  }

  /** Whether a request can be sent. */
  get isIdle(): boolean {
    return this.#request === undefined && !this.#isClosed && !this.#peerEnded;
  }

  /** Sends a request; only while idle. */
  send(request: UpstreamRequest, handler: UpstreamHandler): void {
    this.#request = request;
    this.#handler = handler;
    this.#hasHead = false;
    this.#isRequestSent = false;
    this.#isResponseRead = false;
    this.#requests++;
    this.#hasAnswered = false;
    this.#reader.expect(request.head.method);
    this.#output.put(encodeRequestHead(request.head));
    if (request.body === undefined) {
      this.#output.flush();
      this.#isRequestSent = true;
    } else this.#sendBody(request.body, request.framing);
  }

  /** Gives up on the request under way; the connection is closed with it. */
  abort(): void {
    // Once both parts are through it is about to be free, and the next request's.
    if (this.#isResponseRead && this.#isRequestSent) return;
    this.#close(new Error("given up"));
  }

  /** Closes; for idle connections. */
  close(): void {
    this.#close(undefined);
  }

  onData(bytes: Uint8Array): void {
    if (this.#isClosed) return;
    this.#hasAnswered = true;
    this.#reader.push(bytes);
    this.#pump();
  }

  onDrain(): void {
    if (this.#output.drain()) this.#request?.body?.resume();
  }

  onEnd(): void {
    this.#peerEnded = true;
    this.#pump();
  }

  onClose(error?: Error): void {
    this.#peerEnded = true;
    this.#failure = error ?? new Error("the connection ended");
    this.#pump();
  }

  pipe(sink: BodySink): void {
    if (this.#isClosed) return sink.onAbort(this.#failure ?? new Error("the connection was closed"));
    this.#sink = sink;
    this.#pump();
  }

  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    this.#isPaused = false;
    this.#pump();
  }

  #sendBody(body: BodySource, framing: Framing): void {
    const writer = new BodyWriter(this.#output, framing, true);
    body.pipe({
      onData: (bytes) => writer.write(bytes),
      onPause: () => {
        this.#output.flush();
        if (this.#output.isFull) body.pause();
      },
      onEnd: (trailers) => {
        writer.end(trailers);
        this.#isRequestSent = true;
        this.#settle();
      },
      onAbort: (error) => this.#close(error),
    });
    this.#output.flush();
  }

  #pump(): void {
    if (this.#isPumping || this.#isClosed) return;
    this.#isPumping = true;
    while (!this.#isBlocked()) {
      const event = this.#reader.read();
      if (event === undefined) break;
      this.#onEvent(event);
    }
    this.#sink?.onPause();
    this.#reader.retain();
    this.#isPumping = false;
    this.#balance();
    if (this.#peerEnded && !this.#isBlocked() && this.#reader.available === 0) this.#onPeerEnd();
  }

  #onEvent(event: ResponseEvent): void {
    if (event.kind === "informational") this.#onInformational(event.head);
    else if (event.kind === "head") this.#onHead(event.head, event.framing);
    else if (event.kind === "data") this.#sink?.onData(event.bytes);
    else if (event.kind === "end") this.#onResponseEnd(event.trailers);
    else this.#fail("protocol", new Error(event.problem.reason));
  }

  #isBlocked(): boolean {
    return this.#isClosed || this.#isPaused || (this.#hasHead && this.#sink === undefined);
  }

  #balance(): void {
    const mustPause = this.#isBlocked() && (this.#reader.available > 0 || this.#isPaused);
    if (mustPause === this.#isStreamPaused || this.#isClosed || this.#failure !== undefined) return;
    this.#isStreamPaused = mustPause;
    if (mustPause) this.#stream.pause();
    else this.#stream.resume();
  }

  #onInformational(head: ResponseHead): void {
    if (head.status !== 101) return this.#handler?.onInformational(head);
    if (this.#request?.mayUpgrade !== true)
      return this.#fail("protocol", new Error("a 101 that was not asked for"));
    const handler = this.#handler;
    const rest = this.#reader.takeRest();
    // The stream is another's from here on: nothing of it may reach this connection any more.
    this.#isClosed = true;
    this.#handler = undefined;
    this.#onClosed(this);
    handler?.onUpgrade(head, this.#stream, rest);
  }

  #onHead(head: ResponseHead, framing: Framing): void {
    this.#hasHead = true;
    this.#mayStay = keepsAlive(head) && framing.kind !== "until-close";
    this.#handler?.onHead(head, framing, this);
  }

  #onResponseEnd(trailers: readonly HeaderField[]): void {
    this.#isResponseRead = true;
    const sink = this.#sink;
    this.#sink = undefined;
    this.#hasHead = false;
    sink?.onEnd(trailers);
    this.#settle();
  }

  /** Both directions of the request are through: the connection is free, or finished. */
  #settle(): void {
    if (!this.#isResponseRead || this.#request === undefined) return;
    if (!this.#isRequestSent || !this.#mayStay || this.#peerEnded || this.#output.isFull)
      return this.#close(undefined);
    const handler = this.#handler;
    this.#request = undefined;
    this.#handler = undefined;
    handler?.onOver();
    if (!this.#isClosed) this.#onIdle(this);
  }

  #onPeerEnd(): void {
    const last = this.#reader.finish();
    if (last?.kind === "end") return this.#onResponseEnd(last.trailers);
    if (this.#request === undefined) return this.#close(undefined);
    const isIdleEnd = this.#failure === undefined && this.#requests > 1 && !this.#hasAnswered;
    this.#fail(
      isIdleEnd ? "ended" : "closed",
      this.#failure ?? new Error("the instance closed the connection"),
    );
  }

  #fail(kind: UpstreamFailure["kind"], error: Error): void {
    if (this.#isClosed) return;
    const handler = this.#handler;
    if (!this.#hasHead) this.#handler = undefined;
    const hadHead = this.#hasHead;
    this.#close(error);
    if (hadHead) return;
    handler?.onFailure({ kind, error });
    handler?.onOver();
  }

  #close(error: Error | undefined): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    const { sink, handler } = { sink: this.#sink, handler: this.#handler };
    this.#sink = undefined;
    this.#handler = undefined;
    this.#request = undefined;
    const isOver = this.#failure !== undefined;
    this.#failure ??= error;
    if (!isOver && this.#peerEnded && error === undefined) this.#stream.end();
    else if (!isOver) this.#stream.reset();
    this.#onClosed(this);
    if (error !== undefined) sink?.onAbort(error);
    handler?.onOver();
  }
}

/**
 * A caller's connection: HTTP/1 requests on one byte stream, pipelined ones served in order. It reads requests and
 * sends responses; what happens between is the pipeline's.
 */
import { encodeProblem, encodeResponseHead } from "#core/http1/encode.ts";
import {
  type Framing,
  type HttpProblem,
  problem,
  type RequestHead,
  type ResponseHead,
} from "#core/http1/head.ts";
import type { HeaderField } from "#core/h2/header-field.ts";
import { keepsAlive } from "#core/http1/hop.ts";
import { RequestReader } from "#core/http1/request-reader.ts";
import type { ByteStream, ByteStreamHandler } from "#host/byte-stream.ts";
import type { BodySink, BodySource } from "./body.ts";
import type { ConnectionPorts } from "./connection-ports.ts";
import type { Exchange, ExchangePort } from "./exchange.ts";
import { isIdentityField } from "./identify.ts";
import { Output } from "./output.ts";
import { type ResponseTarget, sendResponse } from "./send-response.ts";

/** How long a caller that does not close is waited for once our side has finished. */
const lingerMs = 2000;

/** See the file's first line. */
export class HttpConnection implements ByteStreamHandler, BodySource, ExchangePort, ResponseTarget {
  readonly #stream: ByteStream;
  readonly #ports: ConnectionPorts;
  readonly #reader = new RequestReader();
  readonly output: Output;
  #exchange: Exchange | undefined;
  #sink: BodySink | undefined;
  /** What of the current request is still to be read. */
  #requestState: "none" | "body" | "done" = "none";
  #isPumping = false;
  #isPaused = false;
  #isStreamPaused = false;
  #peerEnded = false;
  /** The response under way, or of the request that is half read, is the last. */
  #isDraining = false;
  /** Our direction is finished: nothing more is read. */
  #isEnded = false;
  #isClosed = false;
  #onRoom: (() => void) | undefined;
  #idleSinceMs: number;
  #lastDataMs = 0;

  constructor(stream: ByteStream, ports: ConnectionPorts) {
    this.#stream = stream;
    this.#ports = ports;
    this.output = new Output(stream);
    this.#idleSinceMs = ports.clock.monotonicMs();
    stream.handle(this);
  }

  /** The exchange under way. */
  get exchange(): Exchange | undefined {
    return this.#exchange;
  }

  /** Since when nothing came of a request that we wait for, a new one's or its body's; undefined while it is on others to act. */
  get idleSinceMs(): number | undefined {
    if (this.#exchange === undefined) return this.#idleSinceMs;
    const isAwaited = this.#requestState === "body" && this.#sink !== undefined && !this.#isPaused;
    // Once the answer has begun, a body that stays open is a conversation.
    return isAwaited && this.#exchange.answer === undefined ? this.#lastDataMs : undefined;
  }

  /** Closes at once when no request is under way, else after its response. */
  drain(): void {
    this.#isDraining = true;
    if (this.#exchange === undefined && !this.#reader.isInMessage) this.#end();
  }

  /** Closes for want of a request or its body; half a head is answered with a 408. */
  expire(): void {
    if (this.#isEnded) return;
    if (this.#exchange !== undefined) this.#onProblem(problem(408, "the request's body stalled"));
    else if (this.#reader.isInMessage) this.#onProblem(problem(408, "the request's head took too long"));
    else this.#end();
  }

  /** Closes now, also in the midst of a response. */
  cut(): void {
    this.#stream.reset();
  }

  // The stream's side.

  onData(bytes: Uint8Array): void {
    if (this.#isClosed || (this.#isEnded && this.#exchange === undefined)) return;
    // The clock is asked only where the answer matters: while a body is on its way.
    if (this.#requestState === "body") this.#lastDataMs = this.#ports.clock.monotonicMs();
    this.#reader.push(bytes);
    this.#pump();
  }

  onDrain(): void {
    if (!this.output.drain()) return;
    const onRoom = this.#onRoom;
    this.#onRoom = undefined;
    onRoom?.();
  }

  onEnd(): void {
    this.#peerEnded = true;
    this.#pump();
  }

  onClose(error?: Error): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    const exchange = this.#exchange;
    this.#exchange = undefined;
    if (exchange !== undefined && !exchange.isUpgraded) {
      if (exchange.flag === "-") exchange.flag = "DC";
      this.#sink?.onAbort(error ?? new Error("the caller closed the connection"));
      this.#over(exchange);
    }
    this.#ports.onClose();
  }

  // The request's body, as the pipeline sees it.

  pipe(sink: BodySink): void {
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

  // The response's side.

  informational(head: ResponseHead): void {
    if (this.#isClosed || this.#exchange?.received.version !== "1.1") return;
    this.output.put(encodeResponseHead(head));
    this.output.flush();
  }

  upgrade(head: ResponseHead): { readonly stream: ByteStream; readonly rest: Uint8Array } {
    this.output.put(encodeResponseHead(head));
    this.output.flush();
    return { stream: this.#stream, rest: this.#reader.takeRest() };
  }

  upgradeOver(): void {
    const exchange = this.#exchange;
    this.#exchange = undefined;
    this.#isClosed = true;
    if (exchange !== undefined) this.#over(exchange);
    this.#ports.onClose();
  }

  whenRoom(action: () => void): void {
    this.#onRoom = action;
  }

  keepsAlive(exchange: Exchange, framing: Framing): boolean {
    return (
      !this.#isDraining &&
      !this.#peerEnded &&
      this.#requestState === "done" &&
      framing.kind !== "until-close" &&
      keepsAlive(exchange.received)
    );
  }

  onSent(exchange: Exchange, keepAlive: boolean): void {
    if (this.#exchange !== exchange) return;
    this.#exchange = undefined;
    this.#sink = undefined;
    const isRead = this.#requestState === "done";
    this.#requestState = "none";
    this.#over(exchange);
    if (!keepAlive || !isRead) return this.#end();
    this.#pump();
  }

  onCut(exchange: Exchange): void {
    if (this.#exchange !== exchange) return;
    this.#exchange = undefined;
    this.#over(exchange);
    this.#stream.reset();
  }

  #over(exchange: Exchange): void {
    this.#idleSinceMs = this.#ports.clock.monotonicMs();
    exchange.ending.finish();
    this.#ports.finish(exchange);
  }

  /** Reads as far as the current request and its consumer allow. */
  #pump(): void {
    if (this.#isPumping || this.#isClosed) return;
    this.#isPumping = true;
    while (!this.#isBlocked()) {
      const event = this.#reader.read();
      if (event === undefined) break;
      if (event.kind === "head") this.#onHead(event.head, event.framing);
      else if (event.kind === "data") this.#onBody(event.bytes);
      else if (event.kind === "end") this.#onRequestEnd(event.trailers);
      else this.#onProblem(event.problem);
    }
    this.#sink?.onPause();
    this.#reader.retain();
    this.#isPumping = false;
    this.#balance();
    if (this.#peerEnded && !this.#isBlocked() && this.#reader.available === 0) this.#onPeerEnd();
  }

  #isBlocked(): boolean {
    if (this.#isClosed || this.#isPaused || this.#exchange?.isUpgraded === true) return true;
    if (this.#requestState === "body") return this.#sink === undefined;
    return this.#exchange !== undefined || this.#isEnded;
  }

  /** Stops the stream while something waits that cannot be read yet. */
  #balance(): void {
    const mustPause = this.#isBlocked() && (this.#reader.available > 0 || this.#isPaused);
    if (mustPause === this.#isStreamPaused || this.#isClosed || this.#exchange?.isUpgraded === true) return;
    this.#isStreamPaused = mustPause;
    if (mustPause) this.#stream.pause();
    else this.#stream.resume();
  }

  #onHead(head: RequestHead, framing: Framing): void {
    const hasBody = framing.kind !== "none";
    this.#requestState = "body";
    if (hasBody) this.#lastDataMs = this.#ports.clock.monotonicMs();
    const exchange = this.#ports.begin({ head, framing, body: hasBody ? this : undefined, port: this });
    if ("reason" in exchange) return this.#onProblem(exchange);
    this.#exchange = exchange;
    if (!hasBody) {
      // The end event of an absent body follows at once and needs no consumer.
      this.#reader.read();
      this.#requestState = "done";
    }
    void this.#ports.run(exchange).then(() => this.#respond(exchange));
  }

  #respond(exchange: Exchange): void {
    if (this.#exchange !== exchange || exchange.isUpgraded) return;
    sendResponse(exchange, this);
  }

  #onBody(bytes: Uint8Array): void {
    if (this.#exchange !== undefined) this.#exchange.bytesReceived += bytes.length;
    this.#sink?.onData(bytes);
  }

  #onRequestEnd(trailers: readonly HeaderField[]): void {
    this.#requestState = "done";
    const sink = this.#sink;
    this.#sink = undefined;
    // Whoever merges trailers into the head must not find an identity there that only the mesh may set.
    sink?.onEnd(trailers.filter(([name]) => !isIdentityField(name)));
  }

  #onProblem(found: HttpProblem): void {
    this.#isDraining = true;
    const exchange = this.#exchange;
    if (exchange !== undefined) {
      // The body is broken: the response, if it has begun, cannot be trusted to end in order either.
      exchange.flag = "DPE";
      exchange.detail = found.reason;
      this.#sink?.onAbort(new Error(found.reason));
      return this.onCut(exchange);
    }
    this.#ports.onProblem(found);
    this.output.put(encodeProblem(found));
    this.#end();
  }

  #onPeerEnd(): void {
    const cut = this.#reader.finish();
    if (cut !== undefined) return this.#onProblem(cut);
    if (this.#exchange === undefined) this.#end();
  }

  /** Finishes our direction; what still arrives is dropped, and the peer's end or reset closes the stream. */
  #end(): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.output.end();
    if (this.#peerEnded) return;
    if (this.#isStreamPaused) this.#stream.resume();
    this.#isStreamPaused = false;
    this.#ports.clock.after(lingerMs, () => this.#stream.reset());
  }
}

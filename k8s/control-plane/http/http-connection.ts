/** A client's connection to the API's port: its HTTP/1 requests one after the other, until one of them makes it something else. */
import { encodeProblem, encodeResponseHead } from "#core/http1/encode.ts";
import { type Framing, type HttpProblem, problem, type RequestHead } from "#core/http1/head.ts";
import { keepsAlive } from "#core/http1/hop.ts";
import { defaultHttp1Limits } from "#core/http1/head.ts";
import { RequestReader } from "#core/http1/request-reader.ts";
import type { ByteStreamHandler } from "#host/byte-stream.ts";
import type { SocketStream } from "#host/tunnel/tcp-stream.ts";
import { ConnectionRequest } from "./connection-request.ts";
import { giveAway, type WatchLeft } from "./given-stream.ts";
import { RequestBody } from "./request-body.ts";
import { sendResponse } from "./send-response.ts";
import { StreamWriter } from "#host/stream-writer.ts";
import { UpgradeResponse } from "./upgrade-response.ts";

/** What a connection needs of its server. */
export interface ConnectionPorts {
  readonly handle: (request: Request) => Promise<Response>;
  readonly bodyBytesMax: number;
  readonly monotonicMs: () => number;
  /** The hour, as HTTP writes it. */
  readonly date: () => string;
  /** Watches for a client's leaving, which is not told of one that is not read from. */
  readonly watchLeft?: WatchLeft;
  readonly onClose: () => void;
}

/** A request under way. */
interface Exchange {
  readonly head: RequestHead;
  readonly request: ConnectionRequest;
  /** Its body where it is long; a short one is waited for. */
  readonly body: RequestBody | undefined;
  /** Whether the request was read to its end. */
  isRead: boolean;
}

/** A command to run stands in the target. POST too may ask for another protocol: that is how SPDY is asked for. */
const limits = {
  ...defaultHttp1Limits,
  headBytesMax: 256 << 10,
  targetBytesMax: 192 << 10,
  mayUpgradePosts: true,
};
/** Bodies up to here are waited for: most fit into one read with their head, and cost no stream. */
const shortBodyBytes = 64 << 10;
/** What a client may send ahead of the response it waits for. */
const aheadBytesMax = 64 << 10;
const methods: ReadonlySet<string> = new Set(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]);

/** See the file's head. */
export class HttpConnection implements ByteStreamHandler {
  readonly #stream: SocketStream;
  readonly #ports: ConnectionPorts;
  readonly #reader = new RequestReader(limits);
  readonly #writer: StreamWriter;
  #exchange: Exchange | undefined;
  /** A request whose short body is being waited for. */
  #waiting: { readonly head: RequestHead; readonly pieces: Uint8Array[]; bytes: number } | undefined;
  #bodyBytes = 0;
  #isPumping = false;
  #isPaused = false;
  #isEnded = false;
  #isClosed = false;
  #lastDataMs: number;

  constructor(stream: SocketStream, ports: ConnectionPorts) {
    this.#stream = stream;
    this.#ports = ports;
    this.#writer = new StreamWriter(stream);
    this.#lastDataMs = ports.monotonicMs();
    stream.handle(this);
  }

  /** Since when it is on the client to send something; undefined while it is not. */
  get idleSinceMs(): number | undefined {
    return this.#exchange === undefined ? this.#lastDataMs : undefined;
  }

  /** Whether a request has begun to arrive, of which the rest is waited for. */
  get isInRequest(): boolean {
    return this.#waiting !== undefined || this.#reader.isInMessage;
  }

  /** Closes a connection that was idle for too long. */
  expire(): void {
    if (this.isInRequest) this.#refuse(problem(408, "the request took too long to arrive"));
    else this.#end();
  }

  /** Closes now, also in the midst of a response. */
  cut(): void {
    this.#stream.reset();
  }

  onData(bytes: Uint8Array): void {
    if (this.#isEnded) return;
    this.#lastDataMs = this.#ports.monotonicMs();
    this.#reader.push(bytes);
    this.#pump();
  }

  onDrain(): void {
    this.#writer.onDrain();
  }

  onEnd(): void {
    // A client that finished its direction of a TLS connection has closed it.
    this.#exchange?.request.abort();
    this.#end();
  }

  onClose(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#isEnded = true;
    this.#writer.onClose();
    this.#exchange?.body?.fail("the client closed the connection");
    this.#exchange?.request.abort();
    this.#ports.onClose();
  }

  /** Reads as far as the request under way allows. */
  #pump(): void {
    if (this.#isPumping || this.#isEnded) return;
    this.#isPumping = true;
    while (!this.#isBlocked()) {
      const event = this.#reader.read();
      if (event === undefined) break;
      if (event.kind === "head") this.#onHead(event.head, event.framing);
      else if (event.kind === "data") this.#onBody(event.bytes);
      else if (event.kind === "end") this.#onBodyEnd();
      else this.#refuse(event.problem);
    }
    this.#isPumping = false;
    if (this.#isEnded) return;
    this.#reader.retain();
    this.#pace();
  }

  #isBlocked(): boolean {
    if (this.#isEnded) return true;
    const exchange = this.#exchange;
    return exchange !== undefined && (exchange.isRead || exchange.body?.isFull === true);
  }

  /** A client is read from also while it waits, so that its leaving is seen; but it may not send without bounds. */
  #pace(): void {
    const mustPause = this.#isBlocked() && this.#reader.available > aheadBytesMax;
    if (mustPause === this.#isPaused) return;
    this.#isPaused = mustPause;
    if (mustPause) this.#stream.pause();
    else this.#stream.resume();
  }

  #onHead(head: RequestHead, framing: Framing): void {
    if (!methods.has(head.method))
      return this.#refuse(problem(501, `the method ${head.method} is not known`));
    this.#bodyBytes = 0;
    const isLong = framing.kind === "length" ? framing.bytes > shortBodyBytes : framing.kind === "chunked";
    if (framing.kind === "length" && framing.bytes > this.#ports.bodyBytesMax) return this.#refuse(tooLarge);
    const hasBody = framing.kind !== "none" && !(framing.kind === "length" && framing.bytes === 0);
    if (hasBody && head.headers.some(([name]) => name === "expect"))
      this.#writer.write(encodeResponseHead({ status: 100, reason: "", version: "1.1", headers: [] }));
    if (!hasBody) {
      this.#reader.read(); // The end of an absent body.
      this.#begin(head, undefined, true);
    } else if (isLong) this.#begin(head, new RequestBody(() => this.#pump()), false);
    else this.#waiting = { head, pieces: [], bytes: 0 };
  }

  #onBody(bytes: Uint8Array): void {
    this.#bodyBytes += bytes.length;
    if (this.#bodyBytes > this.#ports.bodyBytesMax) return this.#refuse(tooLarge);
    if (this.#waiting === undefined) return this.#exchange?.body?.push(bytes);
    this.#waiting.pieces.push(new Uint8Array(bytes));
    this.#waiting.bytes += bytes.length;
  }

  #onBodyEnd(): void {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    if (waiting !== undefined) return this.#begin(waiting.head, Buffer.concat(waiting.pieces), true);
    if (this.#exchange === undefined) return;
    this.#exchange.isRead = true;
    this.#exchange.body?.end();
  }

  #begin(head: RequestHead, body: RequestBody | Uint8Array<ArrayBuffer> | undefined, isRead: boolean): void {
    const isStreamed = body instanceof RequestBody;
    const request = new ConnectionRequest(head, isStreamed ? body.stream : body);
    const exchange: Exchange = { head, request, body: isStreamed ? body : undefined, isRead };
    this.#exchange = exchange;
    void this.#answer(exchange);
  }

  async #answer(exchange: Exchange): Promise<void> {
    const { head, request } = exchange;
    try {
      const response = await this.#ports.handle(request);
      if (this.#isEnded) return void response.body?.cancel().catch(() => undefined); // Nobody reads it.
      if (response instanceof UpgradeResponse) return this.#upgrade(response);
      const mayFollow = await sendResponse(response, {
        writer: this.#writer,
        method: head.method,
        version: head.version,
        // What of the body is unread when the answer begins will not be read.
        keepsAlive: exchange.isRead && keepsAlive(head),
        request: exchange.request,
        date: this.#ports.date(),
      });
      if (this.#isEnded) return;
      this.#exchange = undefined;
      this.#lastDataMs = this.#ports.monotonicMs();
      if (mayFollow) this.#pump();
      else this.#end();
    } catch {
      // A handler answers its own faults; what is left is a body that broke off, and only a cut tells that truly.
      this.#stream.reset();
    }
  }

  #upgrade({ upgrade }: UpgradeResponse): void {
    const headers = Object.entries({ connection: "Upgrade", upgrade: upgrade.protocol, ...upgrade.headers });
    this.#writer.write(encodeResponseHead({ status: 101, reason: "", version: "1.1", headers }));
    this.#stream.pause();
    this.#isEnded = true;
    const rest = new Uint8Array(this.#reader.takeRest());
    const take = (): void => {
      if (this.#isClosed) return;
      // From here on the connection is not ours; its end is told to the server all the same.
      upgrade.take(
        giveAway(this.#stream, this.#ports.watchLeft, () => this.onClose()),
        rest,
      );
    };
    void this.#writer.whenRoom().then(take);
  }

  #refuse(found: HttpProblem): void {
    this.#exchange?.body?.fail(found.reason);
    this.#exchange?.request.abort();
    // In the midst of a response nothing else can be said.
    if (this.#exchange !== undefined) return this.#stream.reset();
    this.#writer.write(encodeProblem(found));
    this.#end();
  }

  /** Finishes our direction; what still arrives is dropped until the server's patience ends. */
  #end(): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#writer.end();
    if (this.#isPaused) this.#stream.resume();
  }
}

const tooLarge = problem(413, "the body is larger than the API takes");

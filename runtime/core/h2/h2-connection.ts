/** An HTTP/2 connection (RFC 9113) of either role as a pure state machine: bytes in, bytes and events out; no socket, no clock. */
import { ConnectionState } from "./connection-state.ts";
import type { ConnectionHandler, ConnectionOptions } from "./connection-options.ts";
import { errorCodes, H2Error } from "./error-code.ts";
import { clientPreface, int31Max } from "./frame.ts";
import { FrameReader } from "./frame-reader.ts";
import { FrameReceiver } from "./frame-receiver.ts";
import { FrameSender } from "./frame-sender.ts";
import { H2Stream, type StreamHandler } from "./h2-stream.ts";
import { findField, type HeaderField } from "./header-field.ts";
import { settingIds } from "./settings.ts";

/** Payloads of our pings: what the answer is for. */
const pingPayloads = {
  keepAlive: Uint8Array.of(0x6c, 0x61, 0x6d, 0x62, 0x6b, 0x65, 0x65, 0x70),
  shutdown: Uint8Array.of(0x6c, 0x61, 0x6d, 0x62, 0x67, 0x6f, 0x6e, 0x65),
} as const;

/** A connection from its first byte to its last. */
export class H2Connection {
  readonly #state: ConnectionState;
  readonly #sender: FrameSender;
  readonly #receiver: FrameReceiver;
  readonly #reader: FrameReader;

  constructor(options: ConnectionOptions, handler: ConnectionHandler) {
    this.#state = new ConnectionState(options, handler);
    this.#sender = new FrameSender(this.#state);
    this.#receiver = new FrameReceiver(this.#state, this.#sender, (payload) => this.#onPong(payload));
    this.#reader = new FrameReader(this.#receiver, {
      frameBytesMax: options.frameBytesMax,
      expectPreface: options.role === "server",
    });
  }

  /** Says what a side says first: preface (client), settings, the connection's window. */
  start(): void {
    const { options } = this.#state;
    if (options.role === "client") this.#sender.preface(clientPreface);
    this.#sender.settings([
      options.role === "client"
        ? [settingIds.enablePush, 0]
        : [settingIds.maxConcurrentStreams, options.streamsMax],
      [settingIds.initialWindowSize, options.streamWindowBytes],
      [settingIds.maxFrameSize, options.frameBytesMax],
      [settingIds.maxHeaderListSize, options.headerListBytesMax],
    ]);
    this.#sender.openConnectionWindow();
  }

  get streamsOpen(): number {
    return this.#state.streams.size;
  }

  /** Streams that may be open at once: the lesser of our limit and the peer's. */
  get streamsMax(): number {
    return Math.min(this.#state.options.streamsMax, this.#state.peer.streamsMax);
  }

  /** Whether `request()` would make a stream. */
  get isReady(): boolean {
    const { isOver, goawaySent, goawayReceived, streams } = this.#state;
    return (
      !isOver &&
      goawaySent === undefined &&
      goawayReceived === undefined &&
      streams.size < this.streamsMax &&
      streams.peekLocalId() <= int31Max
    );
  }

  /** Whether the connection has failed or was closed; output may remain. */
  get isOver(): boolean {
    return this.#state.isOver;
  }

  /** Whether GOAWAY was said by either side and no stream is left: there is nothing to wait for. */
  get isDrained(): boolean {
    const { goawaySent, goawayReceived, streams } = this.#state;
    const isLeaving = goawayReceived !== undefined || (goawaySent !== undefined && goawaySent < int31Max);
    return isLeaving && streams.size === 0;
  }

  /** Bytes waiting to be sent. */
  get outputBytes(): number {
    return this.#sender.outputBytes;
  }

  /** Takes bytes from the peer, cut anywhere; views of them reach the streams' handlers during the call. */
  receive(bytes: Uint8Array): void {
    if (!this.#state.isOver) this.#reader.push(bytes);
    if (this.#state.isOver) this.#reader.stop();
  }

  /** What waits to be sent; valid until the next call of any method. */
  output(): Uint8Array {
    return this.#sender.view();
  }

  /** Says how much of `output()` was sent, from the front; streams that wait may then write. */
  taken(bytes: number): void {
    this.#sender.taken(bytes);
  }

  /**
   * Sends a request's head (client).
   * @returns its stream, or undefined when the connection is not ready for another.
   */
  request(fields: readonly HeaderField[], handler: StreamHandler, isLast = false): H2Stream | undefined {
    if (!this.isReady) return undefined;
    const { streams, peer, streamWindowBytes } = this.#state;
    const stream = new H2Stream(streams.useLocalId(), this.#sender, {
      sendBytes: peer.windowBytes,
      receiveBytes: streamWindowBytes,
    });
    const method = findField(fields, ":method");
    stream.isConnect = method === "CONNECT";
    stream.isHeadRequest = method === "HEAD";
    streams.add(stream);
    stream.handle(handler);
    stream.sendHead(fields, isLast);
    return stream;
  }

  /** Sends a keep-alive ping; `onPong` follows. */
  ping(): void {
    this.#sender.ping(pingPayloads.keepAlive, 0);
  }

  /**
   * Begins an orderly end (§6.8). A server first announces it and takes what the peer opens until it has seen that;
   * a client just opens no more.
   */
  shutdown(): void {
    if (this.#state.goawaySent !== undefined || this.#state.isOver) return;
    if (this.#state.options.role === "client") {
      this.#sender.goaway(0, errorCodes.noError);
      return;
    }
    this.#sender.goaway(int31Max, errorCodes.noError);
    this.#sender.ping(pingPayloads.shutdown, 0);
  }

  /** Ends the connection now: GOAWAY, and every stream fails. */
  close(code: number = errorCodes.noError): void {
    if (this.#state.isOver) return;
    this.#sender.goaway(this.#state.streams.lastPeerId, code);
    this.#sender.end(
      new H2Error("Cannot use the connection as open: it was closed here", { code, source: "local" }),
    );
  }

  /** The transport is gone: every stream fails, nothing more is sent. */
  abort(error: H2Error): void {
    this.#sender.end(error);
  }

  /** Some seconds have passed: budgets against abuse are full again, and memory of a burst is given back. */
  refill(): void {
    this.#receiver.refill();
    this.#sender.shrink();
  }

  #onPong(payload: Uint8Array): void {
    if (isSame(payload, pingPayloads.keepAlive)) this.#state.handler.onPong();
    else if (isSame(payload, pingPayloads.shutdown) && this.#state.goawaySent === int31Max) {
      this.#sender.goaway(this.#state.streams.lastPeerId, errorCodes.noError);
      this.#state.handler.onStreamsChanged();
    }
  }
}

function isSame(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

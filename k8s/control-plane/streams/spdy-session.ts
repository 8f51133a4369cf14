/** The serving end of a SPDY connection as Kubernetes' clients speak it: streams that they open, each a byte stream. It knows no commands or ports. */
import type { HeaderField } from "#core/h2/header-field.ts";
import { HeaderDeflater } from "#core/spdy/header-block.ts";
import { encodeGoAway, encodePing, encodeReset, encodeSynReply, resetStatus } from "#core/spdy/spdy-frame.ts";
import { type SpdyEvent, SpdyReader } from "#core/spdy/spdy-reader.ts";
import type { ByteStream } from "#host/byte-stream.ts";
import { StreamWriter } from "#host/stream-writer.ts";
import { SpdyStream } from "./spdy-stream.ts";

/** What the owner of a session is told. */
export interface SpdySessionHandler {
  /** A stream was opened and answered; it is paused until it has a handler. False refuses it. */
  onStream(stream: ByteStream, headers: ReadonlyMap<string, string>): boolean;
  /** The connection is over, and with it every stream. */
  onClose(): void;
}

/** Streams that a client may have at once. */
const streamsMax = 512;
/** How long a client may take to close after we did. */
const lingerMs = 5000;
/**
 * How often one that is not read from is asked whether it lives: where its window is full its end cannot even arrive, and only the answer
 * of its machine to what we send tells that it is gone.
 */
const askEveryMs = 1000;
/** Ours are even. */
const pingId = 2;

/** See the file's head. */
export class SpdySession {
  readonly #stream: ByteStream;
  readonly #handler: SpdySessionHandler;
  readonly #reader = new SpdyReader();
  readonly #deflater = new HeaderDeflater();
  readonly #streams = new Map<number, SpdyStream>();
  readonly writer: StreamWriter;
  /** Streams that hold as much as they may. */
  readonly #overfull = new Set<number>();
  #lastStreamId = 0;
  #isPumping = false;
  #isPaused = false;
  #asking: ReturnType<typeof setInterval> | undefined;
  #isLeaving = false;
  #isClosed = false;

  /** It is paused until {@link start}. */
  constructor(stream: ByteStream, handler: SpdySessionHandler) {
    this.#stream = stream;
    this.#handler = handler;
    this.writer = new StreamWriter(stream);
  }

  /** Begins. @param rest what of the connection was read already */
  start(rest: Uint8Array): void {
    this.#stream.handle({
      onData: (bytes) => this.#onData(bytes),
      onDrain: () => this.#onDrain(),
      onEnd: () => this.close(),
      onClose: () => this.#onClose(),
    });
    this.#onData(rest);
    if (!this.#isPaused) this.#stream.resume();
  }

  /** Says that no more comes, and ends once everything has left. */
  close(): void {
    if (this.#isClosed || this.#isLeaving) return;
    this.#isLeaving = true;
    this.writer.write(encodeGoAway(this.#lastStreamId, 0));
    this.writer.end();
    setTimeout(() => this.reset(), lingerMs).unref();
    this.#onData(new Uint8Array(0));
  }

  /** Ends at once. */
  reset(): void {
    this.#stream.reset();
  }

  /** A stream holds as much as it may, or has room again. As there are no windows, one whose reader is behind holds up its connection. */
  setOverfull(streamId: number, isOverfull: boolean): void {
    if (isOverfull) this.#overfull.add(streamId);
    else if (this.#overfull.delete(streamId) && !this.#isHeldUp() && !this.#isPumping)
      this.#onData(new Uint8Array(0));
  }

  /** A stream is over. */
  forget(streamId: number): void {
    this.#streams.delete(streamId);
    this.setOverfull(streamId, false);
  }

  #isHeldUp(): boolean {
    return this.#overfull.size > 0 && !this.#isLeaving;
  }

  #onData(bytes: Uint8Array): void {
    this.#reader.push(bytes);
    if (this.#isPumping) return;
    this.#isPumping = true;
    while (!this.#isClosed && !this.#isHeldUp()) {
      const event = this.#reader.read();
      if (event === undefined) break;
      if (event.kind === "problem") this.reset();
      else this.#onEvent(event);
      if (event.kind === "problem") break;
    }
    this.#isPumping = false;
    this.#reader.retain();
    this.#pace();
  }

  #pace(): void {
    const mustPause = this.#isHeldUp();
    if (mustPause === this.#isPaused || this.#isClosed) return;
    this.#isPaused = mustPause;
    clearInterval(this.#asking);
    if (mustPause) {
      this.#stream.pause();
      this.#asking = setInterval(() => this.#ask(), askEveryMs);
    } else this.#stream.resume();
  }

  #ask(): void {
    if (!this.writer.isFull && !this.#isLeaving) this.writer.write(encodePing(pingId));
  }

  #onEvent(event: Exclude<SpdyEvent, { kind: "problem" }>): void {
    switch (event.kind) {
      case "syn-stream":
        return this.#open(event.streamId, event.headers, event.isEnd);
      case "data":
        return this.#streams.get(event.streamId)?.receive(event.bytes, event.isEnd);
      case "reset":
        return this.#streams.get(event.streamId)?.onPeerReset();
      case "ping":
        // Even ones would be answers to ours, and we ask nothing.
        if (event.id % 2 === 1) this.writer.write(encodePing(event.id));
        return;
      // It opens no more streams; those that are open go on, and it closes the connection.
      case "go-away":
      case "headers":
      case "syn-reply":
        return;
    }
  }

  #open(streamId: number, headers: readonly HeaderField[], isEnd: boolean): void {
    const isNew = streamId % 2 === 1 && streamId > this.#lastStreamId;
    if (!isNew) return this.reset();
    this.#lastStreamId = streamId;
    const stream = new SpdyStream(this, streamId);
    const isTaken = this.#streams.size < streamsMax && this.#handler.onStream(stream, asMap(headers));
    if (!isTaken) {
      this.writer.write(encodeReset(streamId, resetStatus.refusedStream));
      return;
    }
    this.#streams.set(streamId, stream);
    this.writer.write(encodeSynReply(streamId, this.#deflater.deflate([])));
    if (isEnd) stream.receive(new Uint8Array(0), true);
  }

  #onDrain(): void {
    this.writer.onDrain();
    if (this.writer.isFull) return;
    for (const stream of this.#streams.values()) stream.onRoom();
  }

  #onClose(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    clearInterval(this.#asking);
    this.writer.onClose();
    for (const stream of this.#streams.values()) stream.onSessionClose();
    this.#streams.clear();
    this.#handler.onClose();
  }
}

/** Names are in lower case on the wire; of several values the first counts. */
function asMap(headers: readonly HeaderField[]): ReadonlyMap<string, string> {
  return new Map(headers.toReversed());
}

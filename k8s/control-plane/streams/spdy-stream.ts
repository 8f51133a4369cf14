/** One stream of a SPDY connection as a {@link ByteStream}: half-close, reset, and a bounded queue while its reader is behind. */
import { dataBytesMax, encodeDataHead, encodeReset, resetStatus } from "#core/spdy/spdy-frame.ts";
import { ByteQueue } from "#core/h2/byte-queue.ts";
import type { ByteStream, ByteStreamHandler } from "#host/byte-stream.ts";
import type { StreamWriter } from "#host/stream-writer.ts";

/** What a stream needs of its session. */
interface Session {
  readonly writer: StreamWriter;
  setOverfull(streamId: number, isOverfull: boolean): void;
  forget(streamId: number): void;
}

/** What a stream that is not read may hold before its connection is not read either. */
const heldBytesMax = 64 << 10;

/** See the file's head. */
export class SpdyStream implements ByteStream {
  readonly #session: Session;
  readonly id: number;
  #handler: ByteStreamHandler | undefined;
  readonly #held = new ByteQueue();
  #isPaused = false;
  #wantsRoom = false;
  #localEnded = false;
  #remoteEnded = false;
  #endDelivered = false;
  #isClosed = false;
  #closeDelivered = false;
  #error: Error | undefined;

  constructor(session: Session, id: number) {
    this.#session = session;
    this.id = id;
  }

  write(bytes: Uint8Array): number {
    if (this.#localEnded || this.#isClosed || bytes.length === 0) return 0;
    const { writer } = this.#session;
    if (writer.isFull) {
      this.#wantsRoom = true;
      return 0;
    }
    const taken = bytes.length > dataBytesMax ? bytes.subarray(0, dataBytesMax) : bytes;
    writer.write(encodeDataHead(this.id, taken.length, false));
    writer.write(taken);
    return taken.length;
  }

  end(): void {
    if (this.#localEnded || this.#isClosed) return;
    this.#localEnded = true;
    this.#session.writer.write(encodeDataHead(this.id, 0, true));
    this.#closeIfOver();
  }

  reset(): void {
    if (this.#isClosed) return;
    this.#session.writer.write(encodeReset(this.id, resetStatus.cancel));
    this.#close(new Error("Cannot use the stream as open: it was reset here"));
  }

  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    this.#isPaused = false;
    this.#deliver();
  }

  handle(handler: ByteStreamHandler): void {
    this.#handler = handler;
    this.#deliver();
  }

  // The session's side.

  receive(bytes: Uint8Array, isEnd: boolean): void {
    if (this.#isClosed || this.#remoteEnded) return;
    if (bytes.length > 0) {
      if (this.#handler !== undefined && !this.#isPaused && this.#held.length === 0)
        this.#handler.onData(bytes);
      else {
        this.#held.push(bytes);
        if (this.#held.length > heldBytesMax) this.#session.setOverfull(this.id, true);
      }
    }
    if (!isEnd) return;
    this.#remoteEnded = true;
    this.#deliver();
  }

  onRoom(): void {
    if (!this.#wantsRoom) return;
    this.#wantsRoom = false;
    this.#handler?.onDrain();
  }

  onPeerReset(): void {
    this.#close(new Error("Cannot use the stream as open: its peer reset it"));
  }

  onSessionClose(): void {
    this.#close(new Error("Cannot use the stream as open: its connection is closed"));
  }

  #deliver(): void {
    while (!this.#isPaused && this.#handler !== undefined && !this.#isClosed) {
      const block = this.#held.shift();
      if (block === undefined) break;
      this.#handler.onData(block);
    }
    if (this.#held.length <= heldBytesMax) this.#session.setOverfull(this.id, false);
    if (this.#isPaused || this.#handler === undefined) return;
    if (this.#remoteEnded && !this.#endDelivered && !this.#isClosed) {
      this.#endDelivered = true;
      this.#handler.onEnd();
      this.#closeIfOver();
    }
    this.#deliverClose();
  }

  #closeIfOver(): void {
    if (this.#localEnded && this.#endDelivered) this.#close(undefined);
  }

  #close(error: Error | undefined): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#error = error;
    this.#session.forget(this.id);
    this.#deliverClose();
  }

  #deliverClose(): void {
    if (!this.#isClosed || this.#closeDelivered || this.#handler === undefined) return;
    this.#closeDelivered = true;
    this.#handler.onClose(this.#error);
  }
}

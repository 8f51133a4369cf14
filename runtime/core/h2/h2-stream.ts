/** One HTTP/2 stream (RFC 9113 §5.1) as its user holds it: a two-way byte stream with heads; the frames are its owner's. */
import { errorCodes, H2Error } from "./error-code.ts";
import { findField, type HeaderField } from "./header-field.ts";
import { ByteQueue } from "./byte-queue.ts";

/** What a stream's user is told. The byte half has the shape of the host's `ByteStreamHandler`. */
export interface StreamHandler {
  /** Bytes arrived; the view is valid only during the call. Returning makes room in the window for more. */
  onData(bytes: Uint8Array): void;
  /** A write that was not taken whole can be tried again. */
  onDrain(): void;
  /** The peer finished its direction. */
  onEnd(): void;
  /** Both directions are over; with an error when it ended by a reset or a failure. Exactly once. */
  onClose(error?: Error): void;
  /** A response's head arrived (client); interim ones (1xx) too. */
  onHead?(fields: readonly HeaderField[], isLast: boolean): void;
  /** Trailers arrived; `onEnd` follows. */
  onTrailers?(fields: readonly HeaderField[]): void;
}

/** The connection, as a stream sees it. */
export interface StreamOwner {
  writeHead(stream: H2Stream, fields: readonly HeaderField[], isLast: boolean): void;
  writeData(stream: H2Stream, bytes: Uint8Array): number;
  writeEnd(stream: H2Stream): void;
  writeReset(stream: H2Stream, code: number): void;
  /** The user took bytes: the peer may send as many more. */
  consumed(stream: H2Stream, bytes: number): void;
  /** The stream is closed on the wire. */
  forget(stream: H2Stream): void;
}

/** The state of a stream that its connection keeps; nobody else writes it. */
export interface StreamWire {
  /** What we may send; negative after the peer shrank its window (§6.9.2). */
  sendWindowBytes: number;
  /** What the peer may send. */
  receiveWindowBytes: number;
  /** Consumed, but not yet returned by WINDOW_UPDATE. */
  creditBytes: number;
  /** Declared content still to come, -1 when not declared. */
  contentLeft: number;
}

/**
 * A stream. On the wire:
 * ```
 *            ┌─ local end ──▶ half-closed (local) ─ peer's end ─┐
 *   open ────┤                                                  ├─▶ closed
 *      │     └─ peer's end ─▶ half-closed (remote) ─ local end ─┘     ▲
 *      └────────────── reset, by either side or the connection ───────┘
 * ```
 * Towards the user: bytes held while paused (or without a handler) come first, then `onEnd`, then `onClose`.
 */
export class H2Stream {
  readonly id: number;
  readonly wire: StreamWire;
  /** Set on CONNECT: only DATA may follow the heads (§8.5). */
  isConnect = false;
  /** Set for a request without a response body (HEAD). */
  isHeadRequest = false;
  /** We sent a final head (a server), or the peer did (a client). */
  isAnswered = false;
  readonly #owner: StreamOwner;
  #handler: StreamHandler | undefined;
  /** Made when something must wait: most streams never need it. */
  #held: ByteQueue | undefined;
  #localEnded = false;
  #remoteEnded = false;
  #isPaused = false;
  #isFlushing = false;
  #endDelivered = false;
  #isClosed = false;
  #closeDelivered = false;
  #error: Error | undefined;

  constructor(
    id: number,
    owner: StreamOwner,
    windows: { readonly sendBytes: number; readonly receiveBytes: number },
  ) {
    this.id = id;
    this.#owner = owner;
    this.wire = {
      sendWindowBytes: windows.sendBytes,
      receiveWindowBytes: windows.receiveBytes,
      creditBytes: 0,
      contentLeft: -1,
    };
  }

  get isLocalEnded(): boolean {
    return this.#localEnded;
  }

  get isRemoteEnded(): boolean {
    return this.#remoteEnded;
  }

  /** Closed on the wire; held bytes may still be on their way to the user. */
  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Bytes held for a paused user. */
  get heldBytes(): number {
    return this.#held?.length ?? 0;
  }

  /** Sends a head: a response, an interim response, or (with `isLast`) trailers. */
  sendHead(fields: readonly HeaderField[], isLast: boolean): void {
    if (this.#localEnded || this.#isClosed) return;
    this.#localEnded = isLast;
    const status = findField(fields, ":status");
    if (status !== undefined && !status.startsWith("1")) this.isAnswered = true;
    this.#owner.writeHead(this, fields, isLast);
    this.#closeWhenDone();
  }

  /** Offers bytes; returns how many were taken from the front. The rest is offered again after `onDrain`. */
  write(bytes: Uint8Array): number {
    return this.#localEnded || this.#isClosed ? 0 : this.#owner.writeData(this, bytes);
  }

  /** Finishes our direction. */
  end(): void {
    if (this.#localEnded || this.#isClosed) return;
    this.#localEnded = true;
    this.#owner.writeEnd(this);
    this.#closeWhenDone();
  }

  /**
   * Ends both directions at once. A CONNECT stream's default says that its TCP connection was reset (§8.5):
   * some peers read CANCEL as a clean end.
   */
  reset(code: number = this.isConnect ? errorCodes.connectError : errorCodes.cancel): void {
    if (this.#isClosed) {
      this.#dropHeld();
      this.#deliverClose();
      return;
    }
    this.#owner.writeReset(this, code);
    this.fail(new H2Error("Cannot use the stream as open: it was reset here", { code, source: "local" }));
  }

  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    this.#isPaused = false;
    this.#flush();
  }

  /** Sets or replaces the handler; what was held for it follows at once. */
  handle(handler: StreamHandler): void {
    this.#handler = handler;
    this.#flush();
  }

  /** Takes the handler away: everything is held, within the window, until the next one, which is told a close again. */
  park(): void {
    this.#handler = undefined;
    this.#closeDelivered = false;
  }

  /** For the owner: a head arrived. */
  acceptHead(fields: readonly HeaderField[], isLast: boolean): void {
    this.#handler?.onHead?.(fields, isLast);
  }

  /** For the owner: trailers arrived. */
  acceptTrailers(fields: readonly HeaderField[]): void {
    this.#handler?.onTrailers?.(fields);
  }

  /** For the owner: data arrived, within the window. */
  acceptData(bytes: Uint8Array): void {
    if (this.#handler === undefined || this.#isPaused || this.#held !== undefined) {
      this.#held ??= new ByteQueue();
      this.#held.push(bytes);
      return;
    }
    this.#handler.onData(bytes);
    this.#owner.consumed(this, bytes.length);
  }

  /** For the owner: the peer ended its direction. */
  acceptEnd(): void {
    this.#remoteEnded = true;
    this.#closeWhenDone();
    this.#flush();
  }

  /** For the owner: the peer reset the stream with NO_ERROR, which only says that it needs no more (§8.1). */
  acceptQuietReset(): void {
    this.#localEnded = true;
    this.#remoteEnded = true;
    this.#closeWhenDone();
    this.#flush();
  }

  /** For the owner: there is room to write again. */
  acceptDrain(): void {
    if (!this.#localEnded && !this.#isClosed) this.#handler?.onDrain();
  }

  /** For the owner: the stream ended by a reset or with its connection. */
  fail(error: Error): void {
    if (this.#closeDelivered || this.#error !== undefined) return;
    this.#error = error;
    this.#dropHeld();
    if (!this.#isClosed) {
      this.#isClosed = true;
      this.#owner.forget(this);
    }
    this.#deliverClose();
  }

  #closeWhenDone(): void {
    if (this.#isClosed || !this.#localEnded || !this.#remoteEnded) return;
    this.#isClosed = true;
    this.#owner.forget(this);
    this.#flush();
  }

  #dropHeld(): void {
    const bytes = this.heldBytes;
    this.#held = undefined;
    if (bytes > 0) this.#owner.consumed(this, bytes);
  }

  #flush(): void {
    if (this.#isFlushing || this.#isPaused || this.#handler === undefined) return;
    this.#isFlushing = true;
    this.#deliverHeld();
    this.#isFlushing = false;
    this.#deliverEnd();
    if (this.#isClosed && (this.#endDelivered || this.#error !== undefined)) this.#deliverClose();
  }

  #deliverEnd(): void {
    if (this.#isPaused || !this.#remoteEnded || this.#endDelivered) return;
    if (this.#held !== undefined || this.#error !== undefined) return;
    this.#endDelivered = true;
    this.#handler?.onEnd();
  }

  #deliverHeld(): void {
    while (this.#held !== undefined && !this.#isPaused && this.#handler !== undefined) {
      const block = this.#held.shift();
      if (block === undefined) {
        this.#held = undefined;
        return;
      }
      this.#handler.onData(block);
      this.#owner.consumed(this, block.length);
    }
  }

  #deliverClose(): void {
    if (this.#closeDelivered || this.#handler === undefined) return;
    this.#closeDelivered = true;
    this.#handler.onClose(this.#error);
  }
}

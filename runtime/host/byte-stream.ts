/**
 * The port that everything which carries bytes meets on: a TCP connection, one stream of a tunnel, or a fake.
 * Callback style, not Web streams: it sits on the path of every byte.
 */

/** What the owner of a {@link ByteStream} is told. Set once, before the first byte can arrive. */
export interface ByteStreamHandler {
  /** Bytes arrived. The view is valid only during the call: copy what must be kept. */
  onData(bytes: Uint8Array): void;
  /** A write that was not taken whole can be tried again. */
  onDrain(): void;
  /** The peer finished its direction (TCP FIN, END_STREAM). The other direction stays open. */
  onEnd(): void;
  /** Both directions are over. Called exactly once; with an error when it ended by a reset or a failure. */
  onClose(error?: Error): void;
}

/** A two-way flow of bytes with back-pressure and half-close. */
export interface ByteStream {
  /**
   * Offers bytes.
   * @returns how many were taken, from the front; the rest must be offered again after `onDrain`.
   * Bytes taken may be reused by the caller at once. 0 after `end()` or close.
   */
  write(bytes: Uint8Array): number;
  /** Finishes this side's direction once the bytes taken have left. Idempotent. */
  end(): void;
  /** Tears both directions down at once; `onClose` follows. Idempotent. */
  reset(): void;
  /** Stops `onData` until `resume()`; what the peer may still send is bounded by the window or the socket buffer. */
  pause(): void;
  resume(): void;
  /** Replaces the handler, e.g. when a parser hands the stream over to a splice. */
  handle(handler: ByteStreamHandler): void;
}

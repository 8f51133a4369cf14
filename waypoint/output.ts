/** Writes to a byte stream: joins the small pieces of one turn, keeps what the stream does not take, tells when it is full. */
import type { ByteStream } from "#host/byte-stream.ts";

/** Pieces up to this many bytes together are joined into one write; larger ones cost less alone than a copy. */
const joinedBytesMax = 32 << 10;

/** The writing side of one stream. What it keeps is bounded by one turn of its source, which stops when {@link isFull}. */
export class Output {
  readonly #stream: ByteStream;
  #pieces: Uint8Array[] = [];
  #pieceBytes = 0;
  #waiting: Uint8Array[] = [];
  #ending = false;
  #written = 0;

  constructor(stream: ByteStream) {
    this.#stream = stream;
  }

  /** Whether the stream did not take everything: the source must stop until {@link drain} gives true. */
  get isFull(): boolean {
    return this.#waiting.length > 0;
  }

  /** Bytes accepted so far. */
  get bytesWritten(): number {
    return this.#written;
  }

  /** Adds bytes; a borrowed view must stay valid until {@link flush}, in the same turn. */
  put(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.#written += bytes.length;
    this.#pieces.push(bytes);
    this.#pieceBytes += bytes.length;
  }

  /** Offers everything put since the last flush to the stream. */
  flush(): void {
    const pieces = this.#pieces;
    if (pieces.length === 0) return;
    this.#pieces = [];
    const only = pieces.length === 1 ? pieces[0] : undefined;
    if (only !== undefined) this.#offer(only);
    else if (this.#pieceBytes <= joinedBytesMax) this.#offer(joined(pieces, this.#pieceBytes));
    else for (const piece of pieces) this.#offer(piece);
    this.#pieceBytes = 0;
  }

  /** Finishes the direction once everything has left. */
  end(): void {
    this.flush();
    this.#ending = true;
    if (!this.isFull) this.#stream.end();
  }

  /** The stream has room again. @returns whether nothing waits any more. */
  drain(): boolean {
    while (this.#waiting.length > 0) {
      const head = this.#waiting[0];
      if (head === undefined) break;
      const taken = this.#stream.write(head);
      if (taken < head.length) {
        this.#waiting[0] = head.subarray(taken);
        return false;
      }
      this.#waiting.shift();
    }
    if (this.#ending) this.#stream.end();
    return true;
  }

  #offer(bytes: Uint8Array): void {
    const taken = this.#waiting.length > 0 ? 0 : this.#stream.write(bytes);
    // A copy, since the view is borrowed; not `slice`, which on a Node Buffer is a view too.
    if (taken < bytes.length) this.#waiting.push(new Uint8Array(bytes.subarray(taken)));
  }
}

function joined(pieces: readonly Uint8Array[], length: number): Uint8Array {
  const all = new Uint8Array(length);
  let at = 0;
  for (const piece of pieces) {
    all.set(piece, at);
    at += piece.length;
  }
  return all;
}

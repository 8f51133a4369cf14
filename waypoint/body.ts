/** A message's body on its way from the connection it arrives on to the one it leaves on: back-pressure, trailers, failure. */
import { chunkEnd, chunkStart, lastChunk } from "#core/http1/encode.ts";
import type { Framing } from "#core/http1/head.ts";
import type { HeaderField } from "#core/h2/header-field.ts";
import type { Output } from "./output.ts";

/** Where a body goes. */
export interface BodySink {
  /** Bytes, borrowed for the call. */
  onData(bytes: Uint8Array): void;
  /** The turn's last bytes were given: what was joined may leave. */
  onPause(): void;
  onEnd(trailers: readonly HeaderField[]): void;
  /** The body was cut short. */
  onAbort(error: Error): void;
}

/** Where a body comes from. */
export interface BodySource {
  /** Starts the flow; called once. */
  pipe(sink: BodySink): void;
  /** Stops the flow until {@link resume}. */
  pause(): void;
  resume(): void;
}

/** Writes a body in its framing; the head was written by the caller. */
export class BodyWriter {
  readonly #output: Output;
  readonly #framing: Framing;
  readonly #trailersTaken: boolean;
  #bytes = 0;

  constructor(output: Output, framing: Framing, trailersTaken: boolean) {
    this.#output = output;
    this.#framing = framing;
    this.#trailersTaken = trailersTaken;
  }

  /** Bytes of the body so far, without its framing. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Writes bytes. */
  write(bytes: Uint8Array): void {
    this.#bytes += bytes.length;
    if (this.#framing.kind !== "chunked") return this.#output.put(bytes);
    this.#output.put(chunkStart(bytes.length));
    this.#output.put(bytes);
    this.#output.put(chunkEnd);
  }

  /** Writes the end; closing the stream, where that is the end, is the caller's. */
  end(trailers: readonly HeaderField[]): void {
    if (this.#framing.kind === "chunked") this.#output.put(lastChunk(this.#trailersTaken ? trailers : []));
    this.#output.flush();
  }
}

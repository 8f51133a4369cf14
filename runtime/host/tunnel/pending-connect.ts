/** A CONNECT that waits for its answer: becomes a stream, a refusal or an error, once. */
import { errorCodes, H2Error } from "#core/h2/error-code.ts";
import type { H2Stream, StreamHandler } from "#core/h2/h2-stream.ts";
import { findField, type HeaderField } from "#core/h2/header-field.ts";
import type { Timer } from "../clock.ts";
import { TunnelError } from "./tunnel-error.ts";
import type { ConnectOutcome } from "./tunnel.ts";

/** The stream's handler until the answer is here. */
export class PendingConnect implements StreamHandler {
  /** Known once the request is made. */
  stream: H2Stream | undefined;
  /** The deadline for the answer. */
  timer: Timer | undefined;
  /** Nothing is written before the answer, and after it only a refusal's body and end could come. */
  readonly onData: () => void = ignore;
  readonly onDrain: () => void = ignore;
  readonly onEnd: () => void = ignore;
  readonly #resolve: (outcome: ConnectOutcome) => void;
  readonly #reject: (error: TunnelError) => void;

  constructor(resolve: (outcome: ConnectOutcome) => void, reject: (error: TunnelError) => void) {
    this.#resolve = resolve;
    this.#reject = reject;
  }

  /** Gives up. */
  fail(error: TunnelError): void {
    this.timer?.cancel();
    this.#reject(error);
  }

  onHead(headers: readonly HeaderField[], isLast: boolean): void {
    const { stream } = this;
    const status = Number(findField(headers, ":status"));
    if (stream === undefined || status < 200) return;
    this.timer?.cancel();
    if (status < 300) {
      // Bytes that follow the head in the same packet wait until the new owner has set its handler.
      stream.park();
      this.#resolve({ kind: "opened", stream, headers });
      return;
    }
    this.#resolve({ kind: "refused", status, headers });
    if (isLast) stream.end();
    else stream.reset(errorCodes.cancel);
  }

  onClose(error?: Error): void {
    this.fail(streamError(error));
  }
}

function ignore(): void {
  // See the fields that it fills.
}

function streamError(cause: Error | undefined): TunnelError {
  const isUnprocessed = cause instanceof H2Error && cause.isUnprocessed;
  const reason = cause?.message ?? "the stream ended without an answer";
  const message = `Cannot get an answer to CONNECT: ${reason}`;
  return new TunnelError(
    isUnprocessed ? "unprocessed" : "reset",
    message,
    cause === undefined ? undefined : { cause },
  );
}

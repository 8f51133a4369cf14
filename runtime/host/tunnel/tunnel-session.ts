/** One HTTP/2 connection on one TLS socket: moves bytes between the two, keeps it alive, closes it; either role. */
import type { Socket } from "bun";
import type { ConnectionHandler } from "#core/h2/connection-options.ts";
import { errorCodes, H2Error } from "#core/h2/error-code.ts";
import type { H2Stream } from "#core/h2/h2-stream.ts";
import { H2Connection } from "#core/h2/h2-connection.ts";
import type { HeaderField } from "#core/h2/header-field.ts";
import type { Clock, Timer } from "../clock.ts";
import { TunnelError } from "./tunnel-error.ts";
import type { TunnelLimits } from "./tunnel-limits.ts";

/** How long the last frames may take to leave once the connection is over. */
const lingerMs = 1000;

/** What a session's owner is told. */
export interface SessionHandler {
  /** A request arrived (server). */
  onRequest(stream: H2Stream, fields: readonly HeaderField[]): void;
  /** A stream is gone, or the peer changed how many it takes. */
  onStreamsChanged(): void;
  /** The session is over and the socket closed; with the reason when that was a failure. Exactly once. */
  onClose(error: TunnelError | undefined): void;
}

/** What a session is made with. */
export interface SessionOptions {
  readonly role: "client" | "server";
  readonly limits: TunnelLimits;
  readonly clock: Clock;
  readonly handler: SessionHandler;
}

/** A session from before the handshake to after the close. */
export class TunnelSession implements ConnectionHandler {
  readonly connection: H2Connection;
  readonly #options: SessionOptions;
  #socket: Socket<unknown> | undefined;
  /** The deadline of the moment: handshake, next ping, its answer, or the last frames. */
  #timer: Timer | undefined;
  #isOpen = false;
  #isFlushing = false;
  #isFlushPlanned = false;
  /** The socket took less than it was offered: `onSocketDrain` comes. */
  #isSocketFull = false;
  #isEnding = false;
  #isClosed = false;
  #error: TunnelError | undefined;

  constructor(options: SessionOptions) {
    const { limits, role } = options;
    this.#options = options;
    this.connection = new H2Connection({ ...limits, role }, this);
    this.#timer = options.clock.after(limits.handshakeTimeoutMs, () => {
      this.fail(
        new TunnelError("timeout", `Cannot finish connecting within ${limits.handshakeTimeoutMs} ms`),
      );
    });
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** The socket exists; nothing is written before `open()`. */
  attach(socket: Socket<unknown>): void {
    this.#socket = socket;
    if (this.#isClosed) socket.terminate();
  }

  /** The peer has been checked: speak. */
  open(): void {
    this.#isOpen = true;
    this.#planPing();
    this.connection.start();
    this.flush();
  }

  /** Ends the session without another word: handshake or identity failed, or the peer is dead. */
  fail(error: TunnelError): void {
    this.#error ??= error;
    this.#socket?.terminate();
    this.onSocketClose(undefined);
  }

  onSocketData(bytes: Uint8Array): void {
    if (!this.#isOpen) return;
    this.connection.receive(bytes);
  }

  onSocketDrain(): void {
    this.#isSocketFull = false;
    this.flush();
  }

  /** TLS failed, or code that was called with bytes threw: the connection dies, the process lives. */
  onSocketError(cause: Error): void {
    const message = `Cannot keep the tunnel as open: ${cause.message}`;
    this.fail(new TunnelError(this.#isOpen ? "protocol" : "tls", message, { cause }));
  }

  /** The socket closed, for whatever reason; the streams end with it. */
  onSocketClose(cause: Error | undefined): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#timer?.cancel();
    const reason = cause?.message ?? this.#error?.message ?? "the peer closed it";
    const wasOver = this.connection.isOver || this.connection.isDrained;
    if (!wasOver) this.#error ??= this.#unexpectedClose(reason, cause);
    this.connection.abort(
      new H2Error(`Cannot use the tunnel as open: ${reason}`, {
        code: errorCodes.internalError,
        source: "transport",
      }),
    );
    this.#options.handler.onClose(this.#error);
  }

  /** Writes what is ready to the socket, as one piece where it can. */
  flush(): void {
    this.#isFlushPlanned = false;
    const socket = this.#socket;
    if (this.#isFlushing || this.#isSocketFull || !this.#isOpen || this.#isClosed || socket === undefined)
      return;
    this.#isFlushing = true;
    const { connection } = this;
    while (connection.outputBytes > 0) {
      const bytes = connection.output();
      const taken = Math.max(0, socket.write(bytes));
      connection.taken(taken);
      if (taken < bytes.length) {
        this.#isSocketFull = true;
        break;
      }
    }
    this.#isFlushing = false;
    this.#endWhenDone();
  }

  onRequest(stream: H2Stream, fields: readonly HeaderField[]): void {
    this.#options.handler.onRequest(stream, fields);
  }

  /** Frames of this turn of the event loop leave together: streams that were ready at once share a TLS record. */
  onOutput(): void {
    if (this.#isFlushPlanned) return;
    this.#isFlushPlanned = true;
    setImmediate(flushSession, this);
  }

  onOutputFull(): void {
    this.flush();
  }

  onGoaway(): void {
    this.onStreamsChanged();
  }

  onStreamsChanged(): void {
    if (this.connection.isDrained) this.connection.close();
    if (!this.#isClosed) this.#options.handler.onStreamsChanged();
  }

  onPong(): void {
    this.#timer?.cancel();
    this.#planPing();
  }

  onFailure(error: H2Error): void {
    if (error.code !== errorCodes.noError && error.source !== "transport") {
      this.#error ??= new TunnelError("protocol", error.message, { cause: error });
    }
    if (this.#isClosed) return;
    this.#timer?.cancel();
    this.#timer = this.#options.clock.after(lingerMs, () => this.#socket?.terminate());
    this.onOutput();
  }

  #endWhenDone(): void {
    if (!this.connection.isOver || this.connection.outputBytes > 0 || this.#isEnding) return;
    this.#isEnding = true;
    this.#socket?.end();
  }

  #unexpectedClose(reason: string, cause: Error | undefined): TunnelError {
    const options = cause === undefined ? undefined : { cause };
    if (this.#isOpen) return new TunnelError("reset", `Cannot keep the tunnel as open: ${reason}`, options);
    return new TunnelError(
      "connect",
      `Cannot open a tunnel: ${reason} before the handshake was over`,
      options,
    );
  }

  #planPing(): void {
    const { clock, limits } = this.#options;
    this.#timer?.cancel();
    this.#timer = clock.after(limits.pingIntervalMs, () => {
      this.connection.refill();
      this.connection.ping();
      this.#timer = clock.after(limits.pingTimeoutMs, () => {
        this.fail(
          new TunnelError(
            "timeout",
            `Cannot reach the peer: no answer to a ping in ${limits.pingTimeoutMs} ms`,
          ),
        );
      });
    });
  }
}

/** One function for all sessions: a closure each turn would be garbage each turn. */
function flushSession(session: TunnelSession): void {
  try {
    session.flush();
  } catch (error) {
    session.onSocketError(error instanceof Error ? error : new Error(String(error)));
  }
}

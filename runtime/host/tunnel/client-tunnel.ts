/** A {@link Tunnel} on a session: turns CONNECT requests into streams or refusals; dialling is done elsewhere. */
import type { Socket } from "bun";
import type { SocketAddress } from "#core/address/socket-address.ts";
import { errorCodes } from "#core/h2/error-code.ts";
import type { HeaderField } from "#core/h2/header-field.ts";
import type { SpiffeId } from "#core/identity/spiffe-id.ts";
import type { Clock } from "../clock.ts";
import { PendingConnect } from "./pending-connect.ts";
import { localAddressOf, peerAddressOf } from "./socket-address.ts";
import { TunnelError } from "./tunnel-error.ts";
import { clientLimits, type TunnelLimits } from "./tunnel-limits.ts";
import { TunnelSession } from "./tunnel-session.ts";
import type { ConnectOutcome, Tunnel } from "./tunnel.ts";

/** The client's end, from before the handshake on. */
export class ClientTunnel implements Tunnel {
  readonly session: TunnelSession;
  readonly #limits: TunnelLimits;
  readonly #clock: Clock;
  readonly #closeListeners: ((error: TunnelError | undefined) => void)[] = [];
  readonly #streamsListeners: (() => void)[] = [];
  #error: TunnelError | undefined;
  #ends:
    | { readonly peer: SpiffeId; readonly local: SocketAddress; readonly remote: SocketAddress }
    | undefined;

  constructor(limits: Partial<TunnelLimits>, clock: Clock) {
    this.#limits = { ...clientLimits, ...limits };
    this.#clock = clock;
    this.session = new TunnelSession({
      role: "client",
      limits: this.#limits,
      clock,
      handler: {
        onRequest: (stream) => stream.reset(errorCodes.refusedStream),
        onStreamsChanged: () => {
          for (const listener of this.#streamsListeners) listener();
        },
        onClose: (error) => {
          this.#error = error;
          for (const listener of this.#closeListeners.splice(0)) listener(error);
        },
      },
    });
  }

  /** The server has been checked. */
  open(socket: Socket<unknown>, peer: SpiffeId): void {
    this.#ends = {
      peer,
      local: localAddressOf(socket),
      remote: peerAddressOf(socket),
    };
    this.session.open();
  }

  get peer(): SpiffeId {
    return this.#known.peer;
  }

  get localAddress(): SocketAddress {
    return this.#known.local;
  }

  get peerAddress(): SocketAddress {
    return this.#known.remote;
  }

  get isReady(): boolean {
    return !this.session.isClosed && this.session.connection.isReady;
  }

  get streamsOpen(): number {
    return this.session.connection.streamsOpen;
  }

  get streamsMax(): number {
    return this.session.connection.streamsMax;
  }

  connect(headers: readonly HeaderField[]): Promise<ConnectOutcome> {
    const { promise, resolve, reject } = Promise.withResolvers<ConnectOutcome>();
    const pending = new PendingConnect(resolve, reject);
    const stream = this.isReady ? this.session.connection.request(headers, pending) : undefined;
    if (stream === undefined) {
      reject(this.#notReady());
      return promise;
    }
    const { answerTimeoutMs } = this.#limits;
    pending.stream = stream;
    pending.timer = this.#clock.after(answerTimeoutMs, () => {
      pending.fail(
        new TunnelError("timeout", `Cannot get an answer to CONNECT within ${answerTimeoutMs} ms`),
      );
      stream.reset(errorCodes.cancel);
    });
    return promise;
  }

  drain(): void {
    this.session.connection.shutdown();
    this.session.onStreamsChanged();
  }

  close(): void {
    this.session.connection.close();
  }

  onClose(listener: (error: TunnelError | undefined) => void): void {
    if (this.session.isClosed) listener(this.#error);
    else this.#closeListeners.push(listener);
  }

  /** Calls back whenever a stream ended or the peer changed how many it takes. */
  onStreamsChanged(listener: () => void): void {
    this.#streamsListeners.push(listener);
  }

  get #known(): { readonly peer: SpiffeId; readonly local: SocketAddress; readonly remote: SocketAddress } {
    if (this.#ends === undefined)
      throw new TunnelError("connect", "Cannot know the tunnel's ends: it is not open");
    return this.#ends;
  }

  #notReady(): TunnelError {
    const { connection, isClosed } = this.session;
    if (!isClosed && !connection.isOver && connection.streamsOpen >= connection.streamsMax) {
      return new TunnelError(
        "exhausted",
        `Cannot open a stream beyond the tunnel's ${connection.streamsMax}`,
      );
    }
    return new TunnelError("unprocessed", "Cannot open a stream: the tunnel is closing");
  }
}

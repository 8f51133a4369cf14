/** The server's end of a tunnel on an accepted TCP socket: TLS, the caller's identity, HTTP/2; not the listener. */
import type { Socket, SocketHandler, TLSOptions } from "bun";
import type { SocketAddress } from "#core/address/socket-address.ts";
import { errorCodes } from "#core/h2/error-code.ts";
import type { H2Stream } from "#core/h2/h2-stream.ts";
import { findField, type HeaderField } from "#core/h2/header-field.ts";
import type { SpiffeId } from "#core/identity/spiffe-id.ts";
import type { ByteStream } from "../byte-stream.ts";
import { type Clock, systemClock } from "../clock.ts";
import { checkClient } from "./peer-identity.ts";
import { localAddressOf, peerAddressOf } from "./socket-address.ts";
import { serverTlsOptions } from "./tls-options.ts";
import { serverLimits, type TunnelLimits } from "./tunnel-limits.ts";
import { TunnelSession } from "./tunnel-session.ts";
import type { ServedTunnel, TunnelCertificate, TunnelRequest, TunnelResponder } from "./tunnel.ts";
import { TunnelError } from "./tunnel-error.ts";

/** How an accepted connection is served. */
export interface ServeTunnelOptions {
  /** What is shown for the workload the connection is meant for. */
  readonly certificate: TunnelCertificate;
  /** Called for each CONNECT; everything else is answered 400. */
  readonly onConnect: (request: TunnelRequest, responder: TunnelResponder) => void;
  /** Called once when the connection is over; with the reason when that was a failure (handshake, identity, protocol). */
  readonly onClose?: (error: TunnelError | undefined) => void;
  readonly limits?: Partial<TunnelLimits>;
  readonly clock?: Clock;
}

/**
 * Serves a tunnel on a raw socket, in the same turn as its `open` callback.
 * The socket's listener must have no `data` handler, or it is told of every encrypted byte.
 */
export function serveTunnel(socket: Socket<unknown>, options: ServeTunnelOptions): ServedTunnel {
  const served = new AcceptedTunnel(socket, options);
  const upgrade: { socket: SocketHandler; tls: TLSOptions; isServer: true } = {
    tls: serverTlsOptions(options.certificate),
    isServer: true,
    socket: served.socketHandler(),
  };
  const [, secured] = socket.upgradeTLS(upgrade);
  served.session.attach(secured);
  return served;
}

class AcceptedTunnel implements ServedTunnel {
  readonly session: TunnelSession;
  readonly #options: ServeTunnelOptions;
  readonly #peerAddress: SocketAddress;
  readonly #localAddress: SocketAddress;
  peer: SpiffeId | undefined;

  constructor(socket: Socket<unknown>, options: ServeTunnelOptions) {
    this.#options = options;
    this.#peerAddress = peerAddressOf(socket);
    this.#localAddress = localAddressOf(socket);
    this.session = new TunnelSession({
      role: "server",
      limits: { ...serverLimits, ...options.limits },
      clock: options.clock ?? systemClock,
      handler: {
        onRequest: (stream, fields) => this.#onRequest(stream, fields),
        onStreamsChanged: () => undefined,
        onClose: (error) => options.onClose?.(error),
      },
    });
  }

  get streamsOpen(): number {
    return this.session.connection.streamsOpen;
  }

  drain(): void {
    if (this.peer === undefined)
      this.session.fail(new TunnelError("closed", "Cannot serve the tunnel: it drains"));
    else this.session.connection.shutdown();
  }

  close(): void {
    if (this.peer === undefined)
      this.session.fail(new TunnelError("closed", "Cannot serve the tunnel: it was closed"));
    else this.session.connection.close();
  }

  socketHandler(): SocketHandler {
    const { session } = this;
    return {
      handshake: (socket, isVerified, error) => {
        const peer = checkClient(socket, { isVerified, error }, this.#options.certificate.identity);
        if (peer.ok) {
          this.peer = peer.value;
          session.open();
        } else session.fail(peer.error);
      },
      data: (_socket, bytes) => session.onSocketData(bytes),
      drain: () => session.onSocketDrain(),
      error: (_socket, error) => session.onSocketError(error),
      close: (_socket, error) => session.onSocketClose(error),
    };
  }

  #onRequest(stream: H2Stream, headers: readonly HeaderField[]): void {
    const { peer } = this;
    if (peer === undefined || !stream.isConnect) {
      refuse(stream, 400, []);
      return;
    }
    this.#options.onConnect(
      {
        headers,
        authority: findField(headers, ":authority") ?? "",
        peer,
        peerAddress: this.#peerAddress,
        localAddress: this.#localAddress,
      },
      new StreamResponder(stream),
    );
  }
}

/** Holds a CONNECT open until it is answered; its bytes wait within the window. */
class StreamResponder implements TunnelResponder {
  readonly #stream: H2Stream;
  #onAbandoned: () => void = () => undefined;

  constructor(stream: H2Stream) {
    this.#stream = stream;
    stream.pause();
    stream.handle({
      onData: () => undefined,
      onDrain: () => undefined,
      onEnd: () => undefined,
      onClose: () => this.#onAbandoned(),
    });
  }

  accept(headers: readonly HeaderField[] = []): ByteStream {
    const stream = this.#stream;
    stream.park();
    stream.resume();
    stream.sendHead([[":status", "200"], ...headers], false);
    return stream;
  }

  refuse(status: number, headers: readonly HeaderField[] = []): void {
    this.#stream.park();
    refuse(this.#stream, status, headers);
  }

  onAbandoned(listener: () => void): void {
    this.#onAbandoned = listener;
    if (this.#stream.isClosed) listener();
  }
}

/** Answers and ends the stream; what the peer still sends is not wanted (RFC 9113 §8.1). */
function refuse(stream: H2Stream, status: number, headers: readonly HeaderField[]): void {
  stream.sendHead([[":status", String(status)], ...headers], true);
  stream.reset(errorCodes.noError);
}

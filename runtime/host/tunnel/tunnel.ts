/** The two ends of a tunnel as their users see them: HTTP/2 CONNECT streams over one mutual TLS connection. */
import type { SocketAddress } from "#core/address/socket-address.ts";
import type { HeaderField } from "#core/h2/header-field.ts";
import type { SpiffeId } from "#core/identity/spiffe-id.ts";
import type { ByteStream } from "../byte-stream.ts";
import type { TunnelError } from "./tunnel-error.ts";

/** What one side shows and trusts: PEM texts, and the identity that the leaf carries. */
export interface TunnelCertificate {
  readonly identity: SpiffeId;
  readonly keyPem: string;
  /** Leaf first, then intermediates. */
  readonly chainPem: string;
  readonly rootsPem: string;
}

/** The answer to a CONNECT. */
export type ConnectOutcome =
  | { readonly kind: "opened"; readonly stream: ByteStream; readonly headers: readonly HeaderField[] }
  | { readonly kind: "refused"; readonly status: number; readonly headers: readonly HeaderField[] };

/** The client's end of a tunnel. Streams share it; {@link Tunnel.connect} makes one. */
export interface Tunnel {
  /** The identity in the server's certificate, one of those expected. */
  readonly peer: SpiffeId;
  readonly localAddress: SocketAddress;
  readonly peerAddress: SocketAddress;
  /** Whether a further stream can be opened now: not closing, no GOAWAY seen, fewer streams than allowed. */
  readonly isReady: boolean;
  readonly streamsOpen: number;
  /** The lesser of our own limit (100) and the peer's SETTINGS_MAX_CONCURRENT_STREAMS. */
  readonly streamsMax: number;
  /**
   * Sends a CONNECT and waits for its answer.
   * @param headers the whole list, pseudo-fields first, as `formatConnect()` of `#core/hbone` makes it.
   * @returns the stream, or the status that refused it. The stream's handler must be set in the same turn.
   * @throws TunnelError (rejects); `isRetryable` when the peer never processed the stream.
   */
  connect(headers: readonly HeaderField[]): Promise<ConnectOutcome>;
  /** Sends GOAWAY, opens nothing more and closes when the last stream has ended. Idempotent. */
  drain(): void;
  /** Sends GOAWAY and closes now; open streams are reset. Idempotent. */
  close(): void;
  /** Calls back whenever a stream ended or the peer changed how many it takes. */
  onStreamsChanged(listener: () => void): void;
  /** Calls back once when the connection is over (at once if it is already). */
  onClose(listener: (error: TunnelError | undefined) => void): void;
}

/** A CONNECT as the server's end received it, not yet answered. */
export interface TunnelRequest {
  /** The whole list as it was sent, pseudo-fields first. */
  readonly headers: readonly HeaderField[];
  readonly authority: string;
  /** The caller's identity, from its certificate. */
  readonly peer: SpiffeId;
  readonly peerAddress: SocketAddress;
  /** The address the connection was accepted on: the workload it was meant for. */
  readonly localAddress: SocketAddress;
}

/** Answers one {@link TunnelRequest}: exactly one of the two is called, at once or later. */
export interface TunnelResponder {
  /** Answers 200. Bytes that came before are held within the window and follow once a handler is set. */
  accept(headers?: readonly HeaderField[]): ByteStream;
  /** Answers another status and ends the stream. */
  refuse(status: number, headers?: readonly HeaderField[]): void;
  /** Calls back once if the caller gives up before the answer, so that work on its behalf can stop. */
  onAbandoned(listener: () => void): void;
}

/** The server's end of a tunnel, from the first byte of the handshake on. */
export interface ServedTunnel {
  /** The caller's identity; undefined until the handshake has finished. */
  readonly peer: SpiffeId | undefined;
  readonly streamsOpen: number;
  /** Sends GOAWAY; streams the peer opened before it saw that are served; closes after the last. Idempotent. */
  drain(): void;
  /** Sends GOAWAY and closes now; open streams are reset. Idempotent. */
  close(): void;
}

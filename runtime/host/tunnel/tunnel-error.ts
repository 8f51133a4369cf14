/** Why a tunnel, or one stream of it, failed; a refusal by status is not an error but an outcome. */

/** The reasons, closed so that callers can switch on them. */
export type TunnelErrorCode =
  /** TCP did not connect, or ended before the handshake did. */
  | "connect"
  /** The TLS handshake failed: version, chain, missing certificate, ALPN. */
  | "tls"
  /** The peer's certificate names an identity that was not expected. */
  | "identity"
  /** A deadline passed: connect, handshake, answer to CONNECT, or the keep-alive's ping. */
  | "timeout"
  /** The peer broke HTTP/2 or overran a limit. */
  | "protocol"
  /** The stream or the tunnel was reset or closed under its user. */
  | "reset"
  /** The peer never processed the stream (GOAWAY, REFUSED_STREAM): safe to try again. */
  | "unprocessed"
  /** A limit of ours was reached: connections of the pool or streams of the tunnel. */
  | "exhausted"
  /** We closed it: release, drain, stop. */
  | "closed";

/** The failure of a tunnel or of one of its streams. */
export class TunnelError extends Error {
  readonly code: TunnelErrorCode;

  constructor(code: TunnelErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "TunnelError";
    this.code = code;
  }

  /** Whether the same request can be sent again without a risk that it ran already. */
  get isRetryable(): boolean {
    return this.code === "unprocessed";
  }
}

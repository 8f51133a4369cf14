/** What an HTTP/1 message says before its body (RFC 9112 §2.1), as values; reading and writing it is done elsewhere. */
import type { HeaderField } from "#core/h2/header-field.ts";

/** The two versions that are spoken; anything else is refused. */
export type HttpVersion = "1.0" | "1.1";

/**
 * A request's head: the one truth that policy, routing and the upstream encoder share.
 * Field names are in lower case, order and repetition are those of the wire.
 */
export interface RequestHead {
  readonly method: string;
  /** Normalised path with the query as it was sent, or `*`. */
  readonly target: string;
  readonly version: HttpVersion;
  readonly headers: readonly HeaderField[];
}

/** A response's head. */
export interface ResponseHead {
  readonly status: number;
  readonly reason: string;
  readonly version: HttpVersion;
  readonly headers: readonly HeaderField[];
}

/** How a message's body is delimited (RFC 9112 §6). */
export type Framing =
  | { readonly kind: "none" }
  | { readonly kind: "length"; readonly bytes: number }
  | { readonly kind: "chunked" }
  | { readonly kind: "until-close" };

/** Why a message is refused: the status a request gets, and the reason for the log. A response's status means nothing. */
export interface HttpProblem {
  readonly status: number;
  readonly reason: string;
}

/** Bounds of what a peer may send; each parser takes them. */
export interface Http1Limits {
  /** Head, or trailer section, with all its line ends: 64 KiB. */
  readonly headBytesMax: number;
  /** Fields in a head or trailer section: 100. */
  readonly headersMax: number;
  /** The request target: 16 KiB. */
  readonly targetBytesMax: number;
  /** Chunk extensions of one message together: 16 KiB. They are dropped. */
  readonly extensionBytesMax: number;
  /** Whether a POST without a body may ask for another protocol too, as Kubernetes' clients do; else only a GET may. */
  readonly mayUpgradePosts?: boolean;
}

/** The bounds used where nothing else is said. */
export const defaultHttp1Limits: Http1Limits = {
  headBytesMax: 64 << 10,
  headersMax: 100,
  targetBytesMax: 16 << 10,
  extensionBytesMax: 16 << 10,
};

/** A body that is not there. */
export const noBody: Framing = { kind: "none" };

/** Makes a problem. */
export function problem(status: number, reason: string): HttpProblem {
  return { status, reason };
}

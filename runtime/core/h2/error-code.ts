/** HTTP/2's error codes (RFC 9113 §7) and the errors that streams and connections end with. */

/** The codes by name. */
export const errorCodes = {
  noError: 0x0,
  protocolError: 0x1,
  internalError: 0x2,
  flowControlError: 0x3,
  settingsTimeout: 0x4,
  streamClosed: 0x5,
  frameSizeError: 0x6,
  refusedStream: 0x7,
  cancel: 0x8,
  compressionError: 0x9,
  connectError: 0xa,
  enhanceYourCalm: 0xb,
  inadequateSecurity: 0xc,
  http11Required: 0xd,
} as const;

/** Who ended a stream or a connection. */
export type H2ErrorSource = "peer" | "local" | "transport";

/** Why a stream or a connection ended before its time. */
export class H2Error extends Error {
  readonly code: number;
  readonly source: H2ErrorSource;
  /** The peer said that it never processed the stream: the request may be sent again. */
  readonly isUnprocessed: boolean;

  constructor(
    message: string,
    facts: { readonly code: number; readonly source: H2ErrorSource; readonly isUnprocessed?: boolean },
  ) {
    super(message);
    this.name = "H2Error";
    this.code = facts.code;
    this.source = facts.source;
    this.isUnprocessed = facts.isUnprocessed ?? false;
  }
}

/** A code's name in the RFC's spelling; an unknown one in hexadecimal. */
export function formatErrorCode(code: number): string {
  const found = Object.entries(errorCodes).find(([, value]) => value === code);
  if (found === undefined) return `0x${code.toString(16)}`;
  return found[0].replace(/[A-Z]|11/g, (part) => `_${part}`).toUpperCase();
}

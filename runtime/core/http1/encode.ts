/** Writes heads and chunk framing as bytes; the head must be as a parser of ours made it or a caller checked it. */
import type { HeaderField } from "#core/h2/header-field.ts";
import { latin1Bytes } from "./characters.ts";
import type { HttpProblem, RequestHead, ResponseHead } from "./head.ts";

/** Reason phrases of the statuses that we answer ourselves. */
const reasons: Readonly<Record<number, string>> = {
  100: "Continue",
  101: "Switching Protocols",
  200: "OK",
  204: "No Content",
  304: "Not Modified",
  400: "Bad Request",
  401: "Unauthorized",
  403: "Forbidden",
  404: "Not Found",
  405: "Method Not Allowed",
  408: "Request Timeout",
  413: "Content Too Large",
  414: "URI Too Long",
  429: "Too Many Requests",
  431: "Request Header Fields Too Large",
  500: "Internal Server Error",
  501: "Not Implemented",
  502: "Bad Gateway",
  503: "Service Unavailable",
  504: "Gateway Timeout",
  505: "HTTP Version Not Supported",
};

/** The bytes of a request's head, always HTTP/1.1. */
export function encodeRequestHead(head: RequestHead): Uint8Array {
  return latin1Bytes(`${head.method} ${head.target} HTTP/1.1\r\n${fieldLines(head.headers)}\r\n`);
}

/** The bytes of a response's head, always HTTP/1.1 as a 1.1 server answers 1.0 clients too (RFC 9112 §2.5). */
export function encodeResponseHead(head: ResponseHead): Uint8Array {
  const reason = head.reason === "" ? (reasons[head.status] ?? "") : head.reason;
  return latin1Bytes(`HTTP/1.1 ${head.status} ${reason}\r\n${fieldLines(head.headers)}\r\n`);
}

/** A whole response to a request that could not be read; the connection closes behind it. */
export function encodeProblem({ status, reason }: HttpProblem): Uint8Array {
  const body = `${reason}\n`;
  const headers: HeaderField[] = [
    ["content-type", "text/plain; charset=utf-8"],
    ["content-length", String(body.length)],
    ["connection", "close"],
  ];
  return latin1Bytes(`HTTP/1.1 ${status} ${reasons[status] ?? ""}\r\n${fieldLines(headers)}\r\n${body}`);
}

/** The line before a chunk of this many bytes. */
export function chunkStart(size: number): Uint8Array {
  return latin1Bytes(`${size.toString(16)}\r\n`);
}

/** The line end behind a chunk's bytes. */
export const chunkEnd: Uint8Array = latin1Bytes("\r\n");

/** The last chunk with the trailers. */
export function lastChunk(trailers: readonly HeaderField[]): Uint8Array {
  return trailers.length === 0 ? plainLastChunk : latin1Bytes(`0\r\n${fieldLines(trailers)}\r\n`);
}

const plainLastChunk: Uint8Array = latin1Bytes("0\r\n\r\n");

function fieldLines(fields: readonly HeaderField[]): string {
  let text = "";
  for (const [name, value] of fields) text += `${name}: ${value}\r\n`;
  return text;
}

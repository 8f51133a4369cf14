/** Decides how a message's body is delimited (RFC 9112 §6.3), refusing whatever two parsers could read differently. */
import type { HeaderField } from "#core/h2/header-field.ts";
import { err, ok, type Result } from "#core/result.ts";
import { type Framing, type HttpProblem, type HttpVersion, noBody, problem } from "./head.ts";

const chunked: Framing = { kind: "chunked" };
const untilClose: Framing = { kind: "until-close" };

/** The framing of a request's body. */
export function requestFraming(
  version: HttpVersion,
  fields: readonly HeaderField[],
): Result<Framing, HttpProblem> {
  const declared = declaredFraming(version, fields);
  return declared.ok ? ok(declared.value ?? noBody) : declared;
}

/** The framing of a response's body; the request's method matters for HEAD. */
export function responseFraming(
  status: number,
  version: HttpVersion,
  context: { readonly method: string; readonly fields: readonly HeaderField[] },
): Result<Framing, HttpProblem> {
  const declared = declaredFraming(version, context.fields);
  if (!declared.ok) return declared;
  if (context.method === "HEAD" || status < 200 || status === 204 || status === 304) return ok(noBody);
  return ok(declared.value ?? untilClose);
}

function declaredFraming(
  version: HttpVersion,
  fields: readonly HeaderField[],
): Result<Framing | undefined, HttpProblem> {
  let length: string | undefined;
  let encoding: string | undefined;
  for (const [name, value] of fields) {
    if (name === "content-length") {
      if (length !== undefined) return err(problem(400, "more than one Content-Length"));
      length = value;
    } else if (name === "transfer-encoding") {
      if (encoding !== undefined) return err(problem(400, "more than one Transfer-Encoding"));
      encoding = value;
    }
  }
  if (encoding !== undefined) {
    if (length !== undefined) return err(problem(400, "both Content-Length and Transfer-Encoding"));
    if (version === "1.0") return err(problem(400, "Transfer-Encoding in an HTTP/1.0 message"));
    if (encoding.toLowerCase() !== "chunked")
      return err(problem(501, "a Transfer-Encoding other than chunked"));
    return ok(chunked);
  }
  if (length === undefined) return ok(undefined);
  // Fifteen digits stay below 2^53, so the number is exact.
  if (!/^\d{1,15}$/.test(length)) return err(problem(400, "a bad Content-Length"));
  return ok({ kind: "length", bytes: Number(length) });
}

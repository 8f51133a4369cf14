/** Reads a response's head from its lines (RFC 9112 §4); as strict as for requests, since the peer runs user code. */
import { err, ok, type Result } from "#core/result.ts";
import { parseFields } from "./fields.ts";
import { type Http1Limits, type HttpProblem, problem, type ResponseHead } from "./head.ts";

const statusLine = /^HTTP\/1\.([01]) ([1-5]\d\d)(?: (.*))?$/;

/** Reads the lines of a head. */
export function parseResponseHead(
  lines: readonly string[],
  limits: Http1Limits,
): Result<ResponseHead, HttpProblem> {
  const match = statusLine.exec(lines[0] ?? "");
  if (match === null) return err(problem(502, "a bad status line"));
  const fields = parseFields(lines, 1, limits.headersMax);
  if (!fields.ok) return fields;
  return ok({
    status: Number(match[2]),
    reason: match[3] ?? "",
    version: match[1] === "1" ? "1.1" : "1.0",
    headers: fields.value,
  });
}

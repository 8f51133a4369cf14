/** Field lines of heads and trailers (RFC 9112 §5): strict reading, and the few list-valued fields a proxy must understand. */
import type { HeaderField } from "#core/h2/header-field.ts";
import { err, ok, type Result } from "#core/result.ts";
import { isToken } from "./characters.ts";
import { type HttpProblem, problem } from "./head.ts";

/** Names as clients usually write them, so that most need no check and share one string. */
const usualNames: ReadonlyMap<string, string> = new Map(
  (
    "Host User-Agent Accept Accept-Encoding Accept-Language Connection Content-Length Content-Type Transfer-Encoding " +
    "Cookie Authorization Cache-Control Date Server ETag Last-Modified Location Set-Cookie Vary Upgrade Origin Referer " +
    "Traceparent Tracestate X-Forwarded-For X-Forwarded-Proto X-Forwarded-Client-Cert X-Request-Id"
  )
    .split(" ")
    .flatMap((name) => [
      [name, name.toLowerCase()],
      [name.toLowerCase(), name.toLowerCase()],
    ]),
);

/** Reads field lines from `lines[first]` on. */
export function parseFields(
  lines: readonly string[],
  first: number,
  headersMax: number,
): Result<HeaderField[], HttpProblem> {
  if (lines.length - first > headersMax) return err(problem(431, `more than ${headersMax} header fields`));
  const fields: HeaderField[] = [];
  for (let i = first; i < lines.length; i++) {
    const field = parseField(lines[i] ?? "");
    if (typeof field === "string") return err(problem(400, field));
    fields.push(field);
  }
  return ok(fields);
}

function parseField(line: string): HeaderField | string {
  const colon = line.indexOf(":");
  const written = line.slice(0, Math.max(0, colon));
  const name = usualNames.get(written) ?? (isToken(written) ? written.toLowerCase() : undefined);
  if (name === undefined) return refusal(line, colon);
  return [name, trimmed(line, colon + 1)];
}

function refusal(line: string, colon: number): string {
  if (line.startsWith(" ") || line.startsWith("\t")) return "a folded header field (obs-fold)";
  if (colon < 0) return "a header line without a colon";
  return /[ \t]$/.test(line.slice(0, colon)) ? "white space before a header's colon" : "a bad header name";
}

/** The line from `start` on without the optional white space around it: only SP and HTAB, which trim() would not hold to. */
function trimmed(line: string, start: number): string {
  let from = start;
  let to = line.length;
  while (from < to && isBlank(line.charCodeAt(from))) from++;
  while (to > from && isBlank(line.charCodeAt(to - 1))) to--;
  return line.slice(from, to);
}

function isBlank(code: number): boolean {
  return code === 0x20 || code === 0x09;
}

/** The members of a comma-separated field over all its lines, in lower case, empty ones left out. */
export function listMembers(fields: readonly HeaderField[], name: string): string[] {
  const members: string[] = [];
  for (const [candidate, value] of fields) {
    if (candidate !== name) continue;
    for (const member of value.split(",")) {
      const text = member.trim().toLowerCase();
      if (text !== "") members.push(text);
    }
  }
  return members;
}

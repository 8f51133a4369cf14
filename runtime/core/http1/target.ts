/**
 * Request targets (RFC 9112 §3.2) and the one normalisation of their paths, used for decisions and forwarding alike.
 *
 * It is Istio's default, BASE: percent-escapes of unreserved characters are decoded, backslashes become slashes, dot
 * segments are resolved (RFC 3986 §6.2.2). Repeated slashes stay, and so do escapes of anything else, `%2F` and `%5C`
 * among them, with their hex digits in upper case. Applying it twice changes nothing.
 */
import { err, ok, type Result } from "#core/result.ts";
import { type HttpProblem, problem } from "./head.ts";

/** A target taken apart. */
export interface Target {
  /** Normalised path with the query as sent, or `*`. */
  readonly target: string;
  /** The authority an absolute-form target names. */
  readonly authority: string | undefined;
}

const usualPath = /^(?:\/[A-Za-z0-9_~-][A-Za-z0-9._~!$&'()*+,;=:@-]*)*\/?$/;
const visible = /^[!-"$-~]+$/;
const absoluteForm = /^https?:\/\/([^/?#\\]+)(.*)$/i;
const unreserved = /^[A-Za-z0-9._~-]$/;

/** Reads a target for the method; CONNECT's authority-form is refused, since this codec serves requests inside tunnels. */
export function parseTarget(method: string, text: string): Result<Target, HttpProblem> {
  if (method === "CONNECT") return err(problem(405, "CONNECT inside a tunnel"));
  if (text === "*" && method === "OPTIONS") return ok({ target: "*", authority: undefined });
  if (!visible.test(text)) return err(problem(400, "a bad character in the request target"));
  if (text.startsWith("/")) return originForm(text, undefined);
  const match = absoluteForm.exec(text);
  if (match === null)
    return err(problem(400, "a request target that is neither origin-form nor absolute-form"));
  const rest = match[2] ?? "";
  return originForm(rest.startsWith("/") || rest.startsWith("\\") ? rest : `/${rest}`, match[1]);
}

function originForm(text: string, authority: string | undefined): Result<Target, HttpProblem> {
  const mark = text.indexOf("?");
  const path = normalisePath(mark < 0 ? text : text.slice(0, mark));
  if (!path.ok) return err(problem(400, path.error));
  return ok({ target: mark < 0 ? path.value : path.value + text.slice(mark), authority });
}

/** Normalises a path that starts with a slash; a malformed or NUL escape is refused. */
export function normalisePath(path: string): Result<string> {
  if (usualPath.test(path)) return ok(path);
  const decoded = decodeUnreserved(path);
  if (decoded === undefined) return err("a malformed percent-escape in the path");
  return ok(withoutDotSegments(decoded.replaceAll("\\", "/")));
}

function decodeUnreserved(path: string): string | undefined {
  if (!path.includes("%")) return path;
  let malformed = false;
  const decoded = path.replace(/%(.{0,2})/gs, (_, digits: string) => {
    if (!/^[0-9A-Fa-f]{2}$/.test(digits) || digits === "00") malformed = true;
    const character = String.fromCharCode(Number.parseInt(digits, 16));
    return unreserved.test(character) ? character : `%${digits.toUpperCase()}`;
  });
  return malformed ? undefined : decoded;
}

/** RFC 3986 §5.2.4; `..` above the root stays at the root. */
function withoutDotSegments(path: string): string {
  const segments = path.split("/").slice(1);
  const kept: string[] = [];
  for (const [i, segment] of segments.entries()) {
    const isDot = segment === "." || segment === "..";
    if (segment === "..") kept.pop();
    if (!isDot) kept.push(segment);
    // A trailing dot segment names a directory: its slash stays.
    else if (i === segments.length - 1) kept.push("");
  }
  return `/${kept.join("/")}`;
}

/** The path of a target. */
export function pathOf(target: string): string {
  const mark = target.indexOf("?");
  return mark < 0 ? target : target.slice(0, mark);
}

/** The query of a target, without its mark; empty when there is none. */
export function queryOf(target: string): string {
  const mark = target.indexOf("?");
  return mark < 0 ? "" : target.slice(mark + 1);
}

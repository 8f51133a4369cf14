/** HTTPRoute matches (Gateway API v1) compiled into tests of a request's head; which rule wins is decided elsewhere. */
import type { HeaderField } from "#core/h2/header-field.ts";
import type { RequestHead } from "#core/http1/head.ts";
import { pathOf, queryOf } from "#core/http1/target.ts";
import {
  type PathMatch,
  PathMatch_Kind,
  type RouteMatch,
  type ValueMatch,
  ValueMatch_Kind,
} from "#core/proto/lambient/discovery_pb.js";
import { err, ok, type Result } from "#core/result.ts";
import { expressionDanger } from "./expression-danger.ts";

/** Tells whether a request matches. */
export type RequestTest = (head: RequestHead) => boolean;

/** Longest regular expression taken; its author owns the group that the waypoint serves, and no other. */
export const expressionCharactersMax = 1024;

/** Compiles one match: all it says must hold. An expression that is none is refused. */
export function compileMatch(match: RouteMatch): Result<RequestTest> {
  const tests: RequestTest[] = [];
  if (match.method !== "") tests.push((head) => head.method === match.method);
  if (match.path !== undefined) {
    const test = compilePath(match.path);
    if (!test.ok) return test;
    tests.push((head) => test.value(pathOf(head.target)));
  }
  for (const header of firstOfEachName(match.headers, (name) => name.toLowerCase())) {
    const test = compileValue(header);
    if (!test.ok) return test;
    const name = header.name.toLowerCase();
    tests.push((head) => holds(test.value, headerValue(head.headers, name)));
  }
  for (const parameter of firstOfEachName(match.query, (name) => name)) {
    const test = compileValue(parameter);
    if (!test.ok) return test;
    tests.push((head) => holds(test.value, queryValue(queryOf(head.target), parameter.name)));
  }
  return ok((head) => tests.every((test) => test(head)));
}

function compilePath(match: PathMatch): Result<(path: string) => boolean> {
  const wanted = match.value;
  if (match.kind === PathMatch_Kind.REGEX) return compileExpression(wanted);
  if (match.kind === PathMatch_Kind.EXACT) return ok((path) => path === wanted);
  // A prefix matches whole segments; its own trailing slash says nothing.
  const prefix = wanted.replace(/\/+$/, "");
  return ok(
    (path) => path.startsWith(prefix) && (path.length === prefix.length || path[prefix.length] === "/"),
  );
}

function compileValue(match: ValueMatch): Result<(text: string) => boolean> {
  if (match.kind === ValueMatch_Kind.REGEX) return compileExpression(match.value);
  return ok((text) => text === match.value);
}

/** Expressions match the whole text, as in Istio. */
function compileExpression(source: string): Result<(text: string) => boolean> {
  if (source.length > expressionCharactersMax) {
    return err(
      `Cannot read a regular expression of at most ${expressionCharactersMax} characters: ${source.length}`,
    );
  }
  try {
    const expression = new RegExp(`^(?:${source})$`, "s");
    const danger = expressionDanger(source);
    if (danger !== undefined) return err(dangerText(source, danger));
    return ok((text) => expression.test(text));
  } catch {
    return err(`Cannot read a match as a regular expression: "${source}"`); // the text of a SyntaxError adds nothing
  }
}

function dangerText(source: string, danger: string): string {
  return `Cannot read a match as a regular expression that is safe on any text: "${source}": ${danger}`;
}

/** Of entries with one name only the first counts (Gateway API). */
function firstOfEachName(entries: readonly ValueMatch[], fold: (name: string) => string): ValueMatch[] {
  const seen = new Set<string>();
  return entries.filter(({ name }) => {
    const isNew = !seen.has(fold(name));
    seen.add(fold(name));
    return isNew;
  });
}

function holds(test: (text: string) => boolean, text: string | undefined): boolean {
  return text !== undefined && test(text);
}

/** Repeated fields count as one list (RFC 9110 §5.3). */
function headerValue(fields: readonly HeaderField[], name: string): string | undefined {
  let joined: string | undefined;
  for (const [candidate, value] of fields) {
    if (candidate === name) joined = joined === undefined ? value : `${joined},${value}`;
  }
  return joined;
}

/** The first parameter with the name, decoded as forms are, since that is what the function will see. */
function queryValue(query: string, name: string): string | undefined {
  for (const pair of query.split("&")) {
    const equals = pair.indexOf("=");
    if (decodeForm(equals < 0 ? pair : pair.slice(0, equals)) === name)
      return equals < 0 ? "" : decodeForm(pair.slice(equals + 1));
  }
  return undefined;
}

function decodeForm(text: string): string {
  const spaced = text.replaceAll("+", " ");
  if (!spaced.includes("%")) return spaced;
  try {
    return decodeURIComponent(spaced);
  } catch {
    return spaced; // a malformed escape stands for itself
  }
}

/** Reads the text of `lambient.jsonc`: to a Manifest, or to every error with its line, field, what was wanted and what is there. Reads no file. */
import { Ajv, type ErrorObject } from "ajv";
import { findNodeAtLocation, type Node, type ParseError, parseTree, printParseErrorCode } from "jsonc-parser";
import { err, ok, type Result } from "#core/result.ts";
import type { Manifest } from "./manifest.ts";
import { manifestSchema } from "./manifest-schema.ts";
import { hintNearestName } from "./nearest-name.ts";

/** One thing wrong in a manifest. */
export interface ManifestError {
  /** 1-based. */
  readonly line: number;
  readonly column: number;
  /** Such as `functions.web.scale`; empty for the whole file. */
  readonly field: string;
  readonly message: string;
}

/** Reads a manifest's text. */
export function parseManifest(text: string): Result<Manifest, readonly ManifestError[]> {
  const syntax: ParseError[] = [];
  const tree = parseTree(text, syntax, { allowTrailingComma: true });
  const first = syntax[0];
  if (first !== undefined || tree === undefined) {
    const code = first === undefined ? "an empty file" : spaced(printParseErrorCode(first.error));
    return err([
      { ...position(text, first?.offset ?? 0), field: "", message: `not JSON with comments: ${code}` },
    ]);
  }
  const double = findDuplicate(tree, []);
  if (double !== undefined) return err([located(text, tree, double, "the same name is there twice")]);
  const value = toValue(tree);
  const ajv = new Ajv({ allErrors: true, useDefaults: true, verbose: true, strict: false });
  const errors = ajv.validate(manifestSchema, value) ? [] : (ajv.errors ?? []);
  if (errors.length > 0) return err(relevant(errors).map((error) => describe(text, tree, error)));
  // Sound: the schema describes exactly this type, with its defaults filled in.
  const manifest = value as Manifest;
  const sums = checkTraffic(manifest).map(([path, message]) => located(text, tree, path, message));
  return sums.length > 0 ? err(sums) : ok(manifest);
}

/** The errors as lines of text: file, line, column, field, what is wrong. */
export function formatManifestErrors(file: string, errors: readonly ManifestError[]): string {
  return errors
    .map(
      ({ line, column, field, message }) =>
        `${file}:${line}:${column}: ${field === "" ? "" : `${field}: `}${message}`,
    )
    .join("\n");
}

function checkTraffic(manifest: Manifest): [(string | number)[], string][] {
  return Object.entries(manifest.functions).flatMap(([name, { traffic }]) => {
    const sum = (traffic ?? []).reduce((total, target) => total + target.percent, 0);
    if (traffic === undefined || sum === 100) return [];
    return [[["functions", name, "traffic"], `the percents must add up to 100, got ${sum}`]];
  });
}

/** `anyOf` reports each of its branches and itself: one sentence is enough. */
function relevant(errors: readonly ErrorObject[]): readonly ErrorObject[] {
  const alternatives = errors.filter((error) => error.keyword === "anyOf").map((error) => error.instancePath);
  return errors.filter(
    (error) =>
      error.keyword !== "if" &&
      (error.keyword === "anyOf" || !alternatives.some((path) => error.instancePath.startsWith(path))) &&
      !(error.schemaPath.includes("/propertyNames/") && error.keyword !== "propertyNames"),
  );
}

function describe(text: string, tree: Node, error: ErrorObject): ManifestError {
  const path = error.instancePath
    .split("/")
    .slice(1)
    .map((part) => part.replaceAll("~1", "/").replaceAll("~0", "~"));
  const params = error.params as Readonly<Record<string, unknown>>;
  const name = params["additionalProperty"] ?? params["propertyName"];
  if (typeof name === "string") path.push(name);
  return located(text, tree, path, explain(error, params));
}

function explain(error: ErrorObject, params: Readonly<Record<string, unknown>>): string {
  const schema = (error.parentSchema ?? {}) as Readonly<Record<string, unknown>>;
  const known = Object.keys((schema["properties"] as object | undefined) ?? {});
  switch (error.keyword) {
    case "additionalProperties": {
      const name = String(params["additionalProperty"]);
      return `unknown field${hintNearestName(name, known) || `; known are ${known.join(", ")}`}`;
    }
    case "required":
      return `the field "${String(params["missingProperty"])}" is missing`;
    case "propertyNames":
      return "the name must be letters, digits and what its kind allows: lower-case and dashes for functions, underscores for variables";
    case "enum":
      return `must be one of ${(params["allowedValues"] as unknown[]).map(quoted).join(", ")}, got ${quoted(error.data)}`;
    case "anyOf":
      return `must be ${String(schema["description"])}, got ${quoted(error.data)}`;
    case "pattern":
      return `must be ${String(schema["description"])}, got ${quoted(error.data)}`;
    case "type":
      return `must be ${article(String(params["type"]))}, got ${quoted(error.data)}`;
    default:
      return `${error.message ?? "is not valid"}, got ${quoted(error.data)}`;
  }
}

function located(...[text, tree, path, message]: [string, Node, (string | number)[], string]): ManifestError {
  const steps = path.map((part) => (typeof part === "string" && /^\d+$/.test(part) ? Number(part) : part));
  const node = findNodeAtLocation(tree, path) ?? findNodeAtLocation(tree, steps) ?? tree;
  // A property's own name is the place to point at; its value may be lines below.
  const offset = node.parent?.type === "property" ? node.parent.offset : node.offset;
  return { ...position(text, offset), field: path.join("."), message };
}

function position(text: string, offset: number): { readonly line: number; readonly column: number } {
  const before = text.slice(0, offset).split("\n");
  return { line: before.length, column: (before.at(-1)?.length ?? 0) + 1 };
}

function findDuplicate(node: Node, path: (string | number)[]): (string | number)[] | undefined {
  const seen = new Set<string>();
  for (const [index, child] of (node.children ?? []).entries()) {
    if (node.type !== "object") {
      const found = findDuplicate(child, [...path, index]);
      if (found !== undefined) return found;
      continue;
    }
    const [key, value] = child.children ?? [];
    const name = String(key?.value);
    if (seen.has(name)) return [...path, name];
    seen.add(name);
    const found = value === undefined ? undefined : findDuplicate(value, [...path, name]);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** The tree as plain values; `__proto__` is a name like any other. */
function toValue(node: Node): unknown {
  if (node.type === "array") return (node.children ?? []).map(toValue);
  if (node.type !== "object") return node.value as unknown;
  const entries = (node.children ?? []).map(({ children }): [string, unknown] => {
    const [key, value] = children ?? [];
    return [String(key?.value), value === undefined ? null : toValue(value)];
  });
  return Object.fromEntries(entries);
}

function quoted(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 60 ? `${text.slice(0, 57)}…` : text;
}

function article(type: string): string {
  return `${/^[aeiou]/.test(type) ? "an" : "a"} ${type}`;
}

function spaced(code: string): string {
  return code.replaceAll(/([a-z])([A-Z])/g, "$1 $2").toLowerCase();
}

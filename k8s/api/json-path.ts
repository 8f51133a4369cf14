/** The JSONPath of printer columns: `.a.b`, `.a['b.c']`, `.a\.b`, `[0]`, `[*]`, `[?(@.type=="Ready")]`. Not a whole query language. */
import { err, ok, type Result } from "#core/result.ts";
import { isJsonObject } from "./json.ts";

/** One step of a path. */
export type PathStep =
  | { readonly kind: "field"; readonly name: string }
  | { readonly kind: "index"; readonly index: number }
  | { readonly kind: "all" }
  | { readonly kind: "where"; readonly field: string; readonly value: string };

const stepForm =
  /\.((?:[^.[\]\\]|\\.)+)|\[(\d+)\]|\[(\*)\]|\['([^']*)'\]|\[\?\(@\.([\w-]+)\s*==\s*["']([^"']*)["']\)\]/y;

/** Reads a path; braces around it are allowed. */
export function parseJsonPath(text: string): Result<readonly PathStep[]> {
  const path = text.startsWith("{") && text.endsWith("}") ? text.slice(1, -1) : text;
  const steps: PathStep[] = [];
  stepForm.lastIndex = 0;
  while (stepForm.lastIndex < path.length) {
    const match = stepForm.exec(path);
    if (match === null) return err(`Cannot read a path as JSONPath: ${JSON.stringify(text.slice(0, 100))}`);
    steps.push(stepOf(match));
  }
  return ok(steps);
}

/** Everything the path leads to. */
export function findByPath(root: unknown, steps: readonly PathStep[]): readonly unknown[] {
  return steps.reduce<readonly unknown[]>(
    (values, step) => values.flatMap((value) => follow(value, step)),
    [root],
  );
}

function stepOf(match: RegExpExecArray): PathStep {
  const [, field, index, all, quoted, where, value = ""] = match;
  if (field !== undefined) return { kind: "field", name: field.replaceAll(/\\(.)/g, "$1") };
  if (index !== undefined) return { kind: "index", index: Number(index) };
  if (all !== undefined) return { kind: "all" };
  if (where !== undefined) return { kind: "where", field: where, value };
  return { kind: "field", name: quoted ?? "" };
}

function follow(value: unknown, step: PathStep): readonly unknown[] {
  switch (step.kind) {
    case "field":
      return isJsonObject(value) && Object.hasOwn(value, step.name) ? [value[step.name]] : [];
    case "index":
      return Array.isArray(value) && step.index < value.length ? [value[step.index] as unknown] : [];
    case "all":
      if (Array.isArray(value)) return value;
      return isJsonObject(value) ? Object.values(value) : [];
    case "where":
      return Array.isArray(value)
        ? value.filter((item) => isJsonObject(item) && item[step.field] === step.value)
        : [];
  }
}

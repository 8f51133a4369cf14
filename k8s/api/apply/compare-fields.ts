/** What changed between two values, as sets of fields. */
import { arrayOr, isJsonObject, jsonEqual, type JsonObject, objectOr } from "../json.ts";
import { type FieldPath, type FieldSet, FieldSetBuilder } from "./field-set.ts";
import { fieldElement } from "./fields-v1.ts";
import { fieldsOf } from "./fields-of.ts";
import { fieldSchema, itemSchema, type Shape, shapeOf } from "./merge-schema.ts";

/** What came, what changed its value and what went. */
export interface Comparison {
  readonly added: FieldSet;
  readonly modified: FieldSet;
  readonly removed: FieldSet;
}

/** Compares two values of a schema. */
export function compareFields(old: unknown, now: unknown, schema: JsonObject): Comparison {
  const found = {
    added: new FieldSetBuilder(),
    modified: new FieldSetBuilder(),
    removed: new FieldSetBuilder(),
  };
  compare(found, { path: [], old, now, schema });
  return found;
}

interface Findings extends Comparison {
  readonly added: FieldSetBuilder;
  readonly modified: FieldSetBuilder;
  readonly removed: FieldSetBuilder;
}

interface Pair {
  readonly path: FieldPath;
  /** Undefined where it is not there; null is a value. */
  readonly old: unknown;
  readonly now: unknown;
  readonly schema: JsonObject;
}

function compare(found: Findings, pair: Pair): void {
  const { path, old, now, schema } = pair;
  if (old === now) return;
  const shape = shapeOf(old ?? now, schema);
  const other = shapeOf(now ?? old, schema);
  if (shape.kind !== other.kind) {
    compareUnlike(found, pair);
    return;
  }
  if (shape.kind === "leaf" || (isBare(old) && isBare(now))) {
    compareLeaves(found, pair);
    return;
  }
  if (shape.kind === "object") compareObjects(found, pair);
  else compareLists(found, pair, shape);
  if (path.length === 0) return;
  if (old === undefined) found.added.insert(path);
  else if (now === undefined) found.removed.insert(path);
}

function compareLeaves(found: Findings, { path, old, now }: Pair): void {
  if (old === undefined) found.added.insert(path);
  else if (now === undefined) found.removed.insert(path);
  else if (!jsonEqual(old, now)) found.modified.insert(path);
}

/** A value that took another form: what was in it went, what is in it now came. */
function compareUnlike(found: Findings, { path, old, now, schema }: Pair): void {
  found.removed.insertAll(path, below(fieldsOf(old, schema)));
  found.added.insertAll(path, below(fieldsOf(now, schema)));
  found.modified.insert(path);
}

function below(set: FieldSet): FieldSet {
  return { isMember: false, children: set.children };
}

function compareObjects(found: Findings, { path, old, now, schema }: Pair): void {
  const before = objectOr(old);
  const after = objectOr(now);
  for (const name of new Set([...Object.keys(before), ...Object.keys(after)])) {
    compare(found, {
      path: [...path, fieldElement(name)],
      old: ownField(before, name),
      now: ownField(after, name),
      schema: fieldSchema(schema, name),
    });
  }
}

function ownField(value: JsonObject, name: string): unknown {
  return Object.hasOwn(value, name) ? value[name] : undefined;
}

function compareLists(
  found: Findings,
  { path, old, now, schema }: Pair,
  shape: Extract<Shape, { kind: "list" }>,
): void {
  const before = itemsByElement(old, shape.elementOf);
  const after = itemsByElement(now, shape.elementOf);
  for (const element of new Set([...before.keys(), ...after.keys()])) {
    const pair = { path: [...path, element], schema: itemSchema(schema) };
    compareItems(found, pair, { before: before.get(element) ?? [], after: after.get(element) ?? [] });
  }
}

/** Items of one element; more than one on a side are compared as a whole, since nothing tells them apart. */
function compareItems(
  found: Findings,
  at: Pick<Pair, "path" | "schema">,
  { before, after }: { readonly before: readonly unknown[]; readonly after: readonly unknown[] },
): void {
  if (before.length <= 1 && after.length <= 1) {
    compare(found, { ...at, old: before[0], now: after[0] });
  } else if (before.length > 1 && after.length > 1) {
    if (!jsonEqual(before, after)) found.modified.insert(at.path);
  } else if (before.length > 1) {
    compare(found, { ...at, old: undefined, now: after[0] });
    found.removed.insert(at.path);
  } else {
    compare(found, { ...at, old: before[0], now: undefined });
    found.added.insert(at.path);
  }
}

function itemsByElement(
  list: unknown,
  elementOf: (item: unknown) => string,
): ReadonlyMap<string, readonly unknown[]> {
  return Map.groupBy(arrayOr(list), elementOf);
}

/** Whether a value has nothing in it: absent, null, an empty object or list. */
function isBare(value: unknown): boolean {
  if (value === undefined || value === null) return true;
  if (Array.isArray(value)) return value.length === 0;
  return isJsonObject(value) && Object.keys(value).length === 0;
}

/** Taking fields out of a value by their paths. */
import { arrayOr, type JsonObject, objectOr, setField } from "../json.ts";
import { type FieldSet } from "./field-set.ts";
import { fieldElement, fieldName } from "./fields-v1.ts";
import { declaredField, fieldSchema, itemSchema, schemaBelow, shapeOf } from "./merge-schema.ts";

/** The value without the fields of the set; undefined when nothing of it is left. */
export function removeFields(value: unknown, gone: FieldSet, schema: JsonObject): unknown {
  if (gone.children.size === 0) return value;
  const shape = shapeOf(value, schema);
  switch (shape.kind) {
    case "leaf":
      // Parts of something that has none any more cannot be told from the rest: all of it goes.
      return Array.isArray(value) || isObject(value) ? undefined : value;
    case "object":
      return removeFromObject(objectOr(value), gone, schema);
    case "list":
      return removeFromList(arrayOr(value), gone, { schema, elementOf: shape.elementOf });
  }
}

/**
 * The set with every declared field above one of its paths: an owner of `.spec.replicas` holds `.spec` up too, though
 * nobody says so.
 */
export function withNamedParents(set: FieldSet, schema: JsonObject, isNamed = false): FieldSet {
  const children = new Map<string, FieldSet>();
  for (const [element, child] of set.children) {
    const name = fieldName(element);
    const named = name !== undefined && declaredField(schema, name) !== undefined;
    children.set(element, withNamedParents(child, schemaBelow(schema, element), named));
  }
  return { isMember: set.isMember || (isNamed && children.size > 0), children };
}

function isObject(value: unknown): boolean {
  return typeof value === "object" && value !== null;
}

function removeFromObject(value: JsonObject, gone: FieldSet, schema: JsonObject): unknown {
  const rest: JsonObject = {};
  for (const [name, item] of Object.entries(value)) {
    const below = gone.children.get(fieldElement(name));
    if (below?.isMember === true) continue;
    const left = below === undefined ? item : removeFields(item, below, fieldSchema(schema, name));
    setField(rest, name, left === undefined ? null : left);
  }
  return Object.keys(rest).length > 0 ? rest : undefined;
}

function removeFromList(
  items: readonly unknown[],
  gone: FieldSet,
  of: { readonly schema: JsonObject; readonly elementOf: (item: unknown) => string },
): unknown {
  const rest: unknown[] = [];
  for (const item of items) {
    const below = gone.children.get(of.elementOf(item));
    if (below?.isMember === true) continue;
    rest.push(below === undefined ? item : removeFields(item, below, itemSchema(of.schema)));
  }
  return rest.length > 0 ? rest : undefined;
}

/** Which fields a value has, as one who applied it would own them. */
import { arrayOr, isJsonObject, type JsonObject, objectOr } from "../json.ts";
import { type FieldPath, type FieldSet, FieldSetBuilder } from "./field-set.ts";
import { fieldElement } from "./fields-v1.ts";
import { declaredField, fieldSchema, itemSchema, shapeOf } from "./merge-schema.ts";

/** The fields of a value: its leaves, the entries of its maps, the items of its lists. */
export function fieldsOf(value: unknown, schema: JsonObject): FieldSet {
  const set = new FieldSetBuilder();
  collect(set, { path: [], value, schema });
  return set;
}

interface Place {
  readonly path: FieldPath;
  readonly value: unknown;
  readonly schema: JsonObject;
}

function collect(set: FieldSetBuilder, { path, value, schema }: Place): void {
  const shape = shapeOf(value, schema);
  switch (shape.kind) {
    case "leaf":
      if (path.length > 0) set.insert(path);
      return;
    case "object":
      for (const [name, item] of Object.entries(objectOr(value))) {
        const below = [...path, fieldElement(name)];
        collect(set, { path: below, value: item, schema: fieldSchema(schema, name) });
        if (isEmptyObject(item) || declaredField(schema, name) === undefined) set.insert(below);
      }
      return;
    case "list":
      for (const item of arrayOr(value)) {
        const below = [...path, shape.elementOf(item)];
        collect(set, { path: below, value: item, schema: itemSchema(schema) });
        set.insert(below);
      }
  }
}

function isEmptyObject(value: unknown): boolean {
  return isJsonObject(value) && Object.keys(value).length === 0;
}

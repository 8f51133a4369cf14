/** Owners of parts of what has become one: a schema may change under the objects that are there. */
import { arrayOr, isJsonObject, type JsonObject } from "../json.ts";
import type { FieldSet } from "./field-set.ts";
import { fieldName } from "./fields-v1.ts";
import type { Managers, Ownership } from "./managers.ts";
import { schemaBelow, shapeOf } from "./merge-schema.ts";

/** Owners by the schema as it is now: who owned parts of a value that is merged as one owns the whole of it. */
export function fitManagers(managers: Managers, object: unknown, schema: JsonObject): Managers {
  const fitted = new Map<string, Ownership>();
  for (const [key, owner] of managers)
    fitted.set(key, { ...owner, fields: fit(owner.fields, object, schema) });
  return fitted;
}

function fit(set: FieldSet, value: unknown, schema: JsonObject): FieldSet {
  if (set.children.size === 0 || typeof value !== "object" || value === null) return set;
  const shape = shapeOf(value, schema);
  if (shape.kind === "leaf") return { isMember: true, children: new Map() };
  const itemAt = shape.kind === "list" ? itemsBy(value, shape.elementOf) : fieldsBy(value);
  const children = new Map<string, FieldSet>();
  for (const [element, child] of set.children) {
    // What has no children has nothing to be fitted: most of a set.
    const item = child.children.size === 0 ? undefined : itemAt(element);
    children.set(element, fit(child, item, schemaBelow(schema, element)));
  }
  return { isMember: set.isMember, children };
}

function itemsBy(value: unknown, elementOf: (item: unknown) => string): (element: string) => unknown {
  const items = new Map(arrayOr(value).map((item) => [elementOf(item), item]));
  return (element) => items.get(element);
}

function fieldsBy(value: unknown): (element: string) => unknown {
  return (element) => {
    const name = fieldName(element);
    return isJsonObject(value) && name !== undefined && Object.hasOwn(value, name) ? value[name] : undefined;
  };
}

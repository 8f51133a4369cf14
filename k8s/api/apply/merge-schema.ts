/** How values of a schema are merged: field by field, item by item, or as one. Reads structural schemas; checks nothing. */
import { isJsonObject, type JsonObject, objectOr, textsOf } from "../json.ts";
import { keyElement, valueElement } from "./fields-v1.ts";

/** How a value is merged. */
export type Shape =
  /** As one: scalars, atomic lists and atomic objects. */
  | { readonly kind: "leaf" }
  /** Field by field. */
  | { readonly kind: "object" }
  /** Item by item, each known by its own value or by the values of its keys. */
  | { readonly kind: "list"; readonly elementOf: (item: unknown) => string };

const leaf: Shape = { kind: "leaf" };
const object: Shape = { kind: "object" };

/** What nothing is known of: objects are merged field by field, lists as one. */
export const unknownSchema: JsonObject = {};

const text: JsonObject = { type: "string" };
const texts: JsonObject = { type: "object", additionalProperties: text };

/** The metadata of every object. */
export const metadataSchema: JsonObject = {
  type: "object",
  properties: {
    name: text,
    generateName: text,
    namespace: text,
    uid: text,
    resourceVersion: text,
    generation: { type: "integer" },
    creationTimestamp: text,
    deletionTimestamp: text,
    deletionGracePeriodSeconds: { type: "integer" },
    labels: texts,
    annotations: texts,
    finalizers: {
      type: "array",
      items: text,
      "x-kubernetes-list-type": "set",
      "x-kubernetes-patch-strategy": "merge",
    },
    ownerReferences: {
      type: "array",
      items: { type: "object", "x-kubernetes-map-type": "atomic" },
      "x-kubernetes-list-type": "map",
      "x-kubernetes-list-map-keys": ["uid"],
      "x-kubernetes-patch-strategy": "merge",
      "x-kubernetes-patch-merge-key": "uid",
    },
    managedFields: { type: "array", items: { type: "object" } },
  },
};

/** The schema of whole objects: what is declared, and what every object has. */
export function resourceSchema(declared: unknown): JsonObject {
  const schema = objectOr(declared);
  const common = { apiVersion: text, kind: text, metadata: { ...metadataSchema, default: {} } };
  return { ...schema, properties: { ...objectOr(schema["properties"]), ...common } };
}

/** How a value of a schema is merged. Of null, which has no form, the schema decides. */
export function shapeOf(value: unknown, schema: JsonObject): Shape {
  if (Array.isArray(value)) return listShape(schema);
  if (!isJsonObject(value)) return leaf;
  return schema["x-kubernetes-map-type"] === "atomic" ? leaf : object;
}

/** The schema of an object's field. */
export function fieldSchema(schema: JsonObject, name: string): JsonObject {
  const declared = declaredField(schema, name);
  if (declared !== undefined) return declared;
  const { additionalProperties } = schema;
  return isJsonObject(additionalProperties) ? additionalProperties : unknownSchema;
}

/** The schema of a field that is declared by its name; undefined for the entries of a map. */
export function declaredField(schema: JsonObject, name: string): JsonObject | undefined {
  const isEmbedded = schema["x-kubernetes-embedded-resource"] === true;
  if (isEmbedded && name === "metadata") return metadataSchema;
  const properties = objectOr(schema["properties"]);
  return Object.hasOwn(properties, name) ? objectOr(properties[name]) : undefined;
}

/** The schema of a list's items. */
export function itemSchema(schema: JsonObject): JsonObject {
  return objectOr(schema["items"]);
}

/** The schema below one element of a path. */
export function schemaBelow(schema: JsonObject, element: string): JsonObject {
  return element.startsWith("f:") ? fieldSchema(schema, element.slice(2)) : itemSchema(schema);
}

function listShape(schema: JsonObject): Shape {
  switch (schema["x-kubernetes-list-type"]) {
    case "set":
      return { kind: "list", elementOf: valueElement };
    case "map": {
      const keys = textsOf(schema["x-kubernetes-list-map-keys"]);
      const properties = objectOr(itemSchema(schema)["properties"]);
      return { kind: "list", elementOf: (item) => keyElement(keysOf(item, keys, properties)) };
    }
    default:
      return leaf;
  }
}

/** The values of an item's keys; one that is left out has its default. */
function keysOf(item: unknown, keys: readonly string[], properties: JsonObject): JsonObject {
  const fields = objectOr(item);
  const values: JsonObject = {};
  for (const key of keys) {
    const value = fields[key] ?? objectOr(properties[key])["default"];
    if (value !== undefined) values[key] = value;
  }
  return values;
}

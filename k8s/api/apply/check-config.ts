/** Whether an applied configuration can be merged by its schema: known fields, values of the right form, list items that are told apart. Not the checks of values. */
import { isJsonObject, type JsonObject, objectOr, textsOf } from "../json.ts";
import { fieldElement, pathText } from "./fields-v1.ts";
import { fieldSchema, itemSchema, shapeOf } from "./merge-schema.ts";

/** Why a configuration cannot be applied, in the words of Kubernetes; undefined when it can. */
export function configFault(config: unknown, schema: JsonObject): string | undefined {
  return fault({ value: config, schema, path: [] });
}

interface Place {
  readonly value: unknown;
  readonly schema: JsonObject;
  readonly path: readonly string[];
}

function fault(place: Place): string | undefined {
  const { value, schema, path } = place;
  if (value === null || value === undefined) return undefined;
  const wanted = formOf(schema);
  if (wanted !== undefined && !forms[wanted].is(value)) {
    return `${pathText(path)}: expected ${forms[wanted].name}, got ${shown(value, wanted)}`;
  }
  if (Array.isArray(value)) return listFault(value, place);
  return isJsonObject(value) ? objectFault(value, place) : undefined;
}

type Form = "map" | "list" | "string" | "boolean" | "number";

const forms: Readonly<Record<Form, { readonly name: string; readonly is: (value: unknown) => boolean }>> = {
  map: { name: "map", is: isJsonObject },
  list: { name: "list", is: Array.isArray },
  string: { name: "string", is: (value) => typeof value === "string" },
  boolean: { name: "boolean", is: (value) => typeof value === "boolean" },
  number: { name: "numeric (int or float)", is: (value) => typeof value === "number" },
};

function formOf(schema: JsonObject): Form | undefined {
  if (schema["x-kubernetes-int-or-string"] === true) return undefined;
  switch (schema["type"]) {
    case "object":
      return "map";
    case "array":
      return "list";
    case "string":
      return "string";
    case "boolean":
      return "boolean";
    case "integer":
    case "number":
      return "number";
    default:
      return undefined;
  }
}

/** A value as Kubernetes' own messages show it. */
function shown(value: unknown, wanted: Form): string {
  switch (wanted) {
    case "map":
    case "list":
      return `&{${valueText(value)}}`;
    case "number":
      return typeText(value);
    case "string":
    case "boolean":
      return `&value.valueUnstructured{Value:${valueText(value)}}`;
  }
}

function valueText(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(valueText).join(" ")}]`;
  if (!isJsonObject(value)) return typeof value === "string" ? value : JSON.stringify(value);
  const names = Object.keys(value).sort();
  return `map[${names.map((name) => `${name}:${valueText(value[name])}`).join(" ")}]`;
}

function typeText(value: unknown): string {
  if (Array.isArray(value)) return "[]interface {}";
  if (isJsonObject(value)) return "map[string]interface {}";
  return typeof value === "boolean" ? "bool" : typeof value;
}

function objectFault(object: JsonObject, { schema, path }: Place): string | undefined {
  for (const [name, value] of Object.entries(object)) {
    const at = [...path, fieldElement(name)];
    if (!isKnown(schema, name)) return `${pathText(at)}: field not declared in schema`;
    const found = fault({ value, schema: fieldSchema(schema, name), path: at });
    if (found !== undefined) return found;
  }
  return undefined;
}

/** A schema that declares fields and says nothing of others has no others. */
function isKnown(schema: JsonObject, name: string): boolean {
  const { properties } = schema;
  if (!isJsonObject(properties) || Object.hasOwn(properties, name)) return true;
  if (schema["x-kubernetes-embedded-resource"] === true && embeddedFields.includes(name)) return true;
  return (
    isJsonObject(schema["additionalProperties"]) || schema["x-kubernetes-preserve-unknown-fields"] === true
  );
}

const embeddedFields = ["apiVersion", "kind", "metadata"];

function listFault(items: readonly unknown[], { schema, path }: Place): string | undefined {
  const shape = shapeOf(items, schema);
  const seen = new Set<string>();
  for (const [index, item] of items.entries()) {
    if (shape.kind === "list") {
      const nameless = keylessFault(item, schema);
      if (nameless !== undefined) return `${pathText(path)}: element ${index}: ${nameless}`;
      const element = shape.elementOf(item);
      if (seen.has(element)) return `${pathText(path)}: duplicate entries for key ${pathText([element])}`;
      seen.add(element);
    }
    const at = [...path, shape.kind === "list" ? shape.elementOf(item) : `i:${index}`];
    const found = fault({ value: item, schema: itemSchema(schema), path: at });
    if (found !== undefined) return found;
  }
  return undefined;
}

function keylessFault(item: unknown, schema: JsonObject): string | undefined {
  const keys = textsOf(schema["x-kubernetes-list-map-keys"]);
  if (schema["x-kubernetes-list-type"] !== "map" || keys.length === 0) return undefined;
  if (!isJsonObject(item)) return "associative list with keys may not have non-map elements";
  const properties = objectOr(itemSchema(schema)["properties"]);
  const hasKey = keys.some((key) => (item[key] ?? objectOr(properties[key])["default"]) !== undefined);
  if (hasKey) return undefined;
  const names = keys.map((key) => JSON.stringify(key)).join(" ");
  return `associative list with keys has an element that omits all key fields [${names}] (and doesn't have default values for any key fields)`;
}

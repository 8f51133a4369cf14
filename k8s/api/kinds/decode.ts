/** Reading a client's value as a Kubernetes type: unknown fields and empty lists go, quantities take their canonical form, and what is of another type is told in the words of Kubernetes' decoder. Sets no defaults. */
import { canonicalQuantity, quantityRule } from "../../model/quantity.ts";
import { isJsonObject, type JsonObject, objectOr, textsOf } from "../json.ts";
import { definitionKey, omitsZeroKey } from "./kube-schemas.ts";

/** What was found while reading. */
export interface Decoded {
  /** Paths of fields that the type does not have; they are gone. */
  readonly unknown: readonly string[];
  /** Why the value cannot be read as the type. */
  readonly error?: string;
}

class DecodeError extends Error {}

/** Where a value stands. */
interface Place {
  /** `spec.containers[0].name`, for unknown fields. */
  readonly path: string;
  /** `PodSpec.spec.containers`: the type that has the field, and the way to it. */
  readonly struct: string;
  readonly field: string;
  readonly unknown: string[];
}

/** Reads an object in place; of its metadata it only looks whether it can be read. */
export function decodeObject(object: JsonObject, schema: JsonObject): Decoded {
  const unknown: string[] = [];
  try {
    const { apiVersion, kind, metadata, ...rest } = object;
    const place = { path: "", struct: structOf(schema), field: "", unknown };
    decodeStruct(rest, schema, place);
    checkMetadata(metadata, schema, place);
    for (const name of Object.keys(object)) delete object[name];
    Object.assign(object, { apiVersion, kind, metadata }, rest);
    return { unknown };
  } catch (error) {
    if (error instanceof DecodeError) return { unknown, error: error.message };
    throw error;
  }
}

/** What is to be kept of metadata is the same for all kinds, and decided elsewhere. */
function checkMetadata(metadata: unknown, schema: JsonObject, place: Place): void {
  const declared = objectOr(objectOr(schema["properties"])["metadata"]);
  decode(structuredClone(metadata), declared, { ...place, path: "metadata", field: "metadata", unknown: [] });
}

/** The value as it is to be kept; undefined: it says nothing. */
function decode(value: unknown, schema: JsonObject, place: Place): unknown {
  if (value === null || value === undefined) return undefined;
  if (schema["x-kubernetes-preserve-unknown-fields"] === true) return value;
  if (schema["x-kubernetes-int-or-string"] === true) return decodeIntOrString(value, schema, place);
  switch (schema["type"]) {
    case "array":
      return decodeList(value, schema, place);
    case "object":
      if (!isJsonObject(value)) throw mismatch(value, schema, place);
      return isJsonObject(schema["properties"])
        ? decodeStruct(value, schema, place)
        : decodeMap(value, schema, place);
    default:
      return decodeScalar(value, schema, place);
  }
}

function decodeScalar(value: unknown, schema: JsonObject, place: Place): unknown {
  if (schema["type"] !== "string" && schema["type"] !== "boolean") return decodeNumber(value, schema, place);
  if (typeof value !== schema["type"]) throw mismatch(value, schema, place);
  if (typeof value === "string") checkForm(value, schema);
  return value;
}

function decodeStruct(object: JsonObject, schema: JsonObject, place: Place): JsonObject {
  const properties = objectOr(schema["properties"]);
  const required = textsOf(schema["required"]);
  for (const name of Object.keys(object)) {
    const path = place.path === "" ? name : `${place.path}.${name}`;
    const declared = Object.hasOwn(properties, name) ? properties[name] : undefined;
    if (!isJsonObject(declared)) {
      delete object[name];
      place.unknown.push(path);
      continue;
    }
    const field = place.field === "" ? name : `${place.field}.${name}`;
    const value = decode(object[name], declared, { ...place, path, field, struct: structOf(schema) });
    if (value === undefined || isZero(value, declared)) delete object[name];
    else if (isEmpty(value, declared) && !required.includes(name)) delete object[name];
    else object[name] = value;
  }
  return object;
}

function isZero(value: unknown, schema: JsonObject): boolean {
  return schema[omitsZeroKey] === true && (value === "" || value === 0 || value === false);
}

/** Empty lists and maps are not kept; an empty struct says something. */
function isEmpty(value: unknown, schema: JsonObject): boolean {
  if (Array.isArray(value)) return value.length === 0;
  return isJsonObject(schema["additionalProperties"]) && Object.keys(objectOr(value)).length === 0;
}

function decodeMap(map: JsonObject, schema: JsonObject, place: Place): JsonObject {
  const values = objectOr(schema["additionalProperties"]);
  for (const name of Object.keys(map)) {
    const value = decode(map[name], values, { ...place, path: `${place.path}.${name}` });
    if (value !== undefined) map[name] = value;
    else if (values["type"] === "string") map[name] = "";
    else delete map[name];
  }
  return map;
}

function decodeList(value: unknown, schema: JsonObject, place: Place): readonly unknown[] {
  if (!Array.isArray(value)) throw mismatch(value, schema, place);
  const items = objectOr(schema["items"]);
  return value.map((item, index) => {
    const kept = decode(item, items, { ...place, path: `${place.path}[${index}]` });
    if (kept !== undefined) return kept;
    return items["type"] === "string" ? "" : {};
  });
}

function decodeIntOrString(value: unknown, schema: JsonObject, place: Place): unknown {
  if (schema["format"] === "quantity") {
    if (typeof value !== "string" && typeof value !== "number") throw new DecodeError(quantityRule);
    const text = canonicalQuantity(String(value).trim());
    if (!text.ok) throw new DecodeError(text.error);
    return text.value;
  }
  if (typeof value === "string" || Number.isInteger(value)) return value;
  throw mismatch(value, { type: "integer", format: "int32" }, place);
}

function decodeNumber(value: unknown, schema: JsonObject, place: Place): number {
  if (typeof value !== "number") throw mismatch(value, schema, place);
  if (schema["type"] !== "integer") return value;
  const limit = schema["format"] === "int32" ? 2 ** 31 : 2 ** 63;
  if (Number.isInteger(value) && value >= -limit && value < limit) return value;
  throw mismatch(value, schema, place);
}

const instant = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)$/;

function checkForm(value: string, schema: JsonObject): void {
  if (schema["format"] === "date-time" && !instant.test(value)) {
    const text = JSON.stringify(value);
    throw new DecodeError(
      `parsing time ${text} as "2006-01-02T15:04:05Z07:00": cannot parse ${text} as "2006"`,
    );
  }
  if (schema["format"] !== "byte") return;
  const wrong = /[^A-Za-z0-9+/=]/.exec(value.replaceAll(/[\r\n]/g, ""));
  const isWhole = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;
  if (isWhole.test(value.replaceAll(/[\r\n]/g, ""))) return;
  throw new DecodeError(
    `illegal base64 data at input byte ${wrong?.index ?? Math.max(0, value.length - (value.length % 4 || 4))}`,
  );
}

function mismatch(value: unknown, schema: JsonObject, place: Place): DecodeError {
  const where = `Go struct field ${place.struct}.${place.field}`;
  return new DecodeError(
    `json: cannot unmarshal ${seen(value, schema)} into ${where} of type ${typeOf(schema)}`,
  );
}

function seen(value: unknown, schema: JsonObject): string {
  if (Array.isArray(value)) return "array";
  if (typeof value === "boolean") return "bool";
  if (typeof value === "number" && schema["type"] === "integer") return `number ${value}`;
  return typeof value;
}

/** How Kubernetes' decoder names a type. */
function typeOf(schema: JsonObject): string {
  switch (schema["type"]) {
    case "array":
      return `[]${typeOf(objectOr(schema["items"]))}`;
    case "object": {
      if (isJsonObject(schema["additionalProperties"])) {
        return `map[string]${typeOf(schema["additionalProperties"])}`;
      }
      return String(schema[definitionKey]).split(".").slice(-2).join(".");
    }
    case "string":
      return schema["format"] === "byte" ? "[]uint8" : "string";
    case "boolean":
      return "bool";
    case "integer":
      return schema["format"] === "int32" ? "int32" : "int64";
    default:
      return "float64";
  }
}

function structOf(schema: JsonObject): string {
  return String(schema[definitionKey]).split(".").at(-1) ?? "";
}

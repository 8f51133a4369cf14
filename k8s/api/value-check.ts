/** Checking values against an OpenAPI v3 schema: translated to JSON Schema, run by ajv, told as Kubernetes' field errors. Changes nothing. */
import { Ajv, type ErrorObject } from "ajv";
import { arrayOr, isJsonObject, type JsonObject, objectOr } from "./json.ts";
import { type FieldFault, invalidValue, requiredValue, unsupportedValue } from "./refusal.ts";

/** Finds the faults of a value. */
export type ValueCheck = (value: unknown) => readonly FieldFault[];

/** Compiles a schema. */
export function valueChecker(schema: JsonObject): ValueCheck {
  const ajv = new Ajv({
    allErrors: true,
    strict: false,
    verbose: true,
    logger: false,
    unicodeRegExp: false,
    validateSchema: false,
    formats,
  });
  const validate = ajv.compile(jsonSchemaOf(schema));
  return (value) => {
    if (validate(value)) return [];
    return dedupe((validate.errors ?? []).flatMap(faultOf));
  };
}

const copied = [
  "required",
  "enum",
  "minimum",
  "maximum",
  "multipleOf",
  "minLength",
  "maxLength",
  "pattern",
  "minItems",
  "maxItems",
  "uniqueItems",
  "minProperties",
  "maxProperties",
] as const;

/** A structural schema as JSON Schema. */
export function jsonSchemaOf(schema: JsonObject): JsonObject {
  const out: JsonObject = {};
  for (const name of copied) if (schema[name] !== undefined) out[name] = schema[name];
  setType(out, schema);
  setBounds(out, schema);
  if (typeof schema["format"] === "string" && Object.hasOwn(formats, schema["format"])) {
    out["format"] = schema["format"];
  }
  if (isJsonObject(schema["properties"])) out["properties"] = mapValues(schema["properties"]);
  if (isJsonObject(schema["additionalProperties"])) {
    out["additionalProperties"] = jsonSchemaOf(schema["additionalProperties"]);
  }
  if (isJsonObject(schema["items"])) out["items"] = jsonSchemaOf(schema["items"]);
  if (isJsonObject(schema["not"])) out["not"] = jsonSchemaOf(schema["not"]);
  for (const name of ["allOf", "anyOf", "oneOf"]) {
    if (Array.isArray(schema[name])) {
      out[name] = arrayOr(schema[name]).map((part) => jsonSchemaOf(objectOr(part)));
    }
  }
  return out;
}

function setType(out: JsonObject, schema: JsonObject): void {
  const type = schema["x-kubernetes-int-or-string"] === true ? ["integer", "string"] : schema["type"];
  if (type === undefined) return;
  out["type"] = schema["nullable"] === true ? [type, "null"].flat() : type;
  // Null is not in the enumeration of a nullable field, and yet allowed.
  if (schema["nullable"] === true && Array.isArray(out["enum"]))
    out["enum"] = [...arrayOr(out["enum"]), null];
}

function setBounds(out: JsonObject, schema: JsonObject): void {
  // OpenAPI v3.0 writes exclusive bounds as a flag beside the bound.
  if (schema["exclusiveMinimum"] === true) {
    out["exclusiveMinimum"] = schema["minimum"];
    delete out["minimum"];
  }
  if (schema["exclusiveMaximum"] === true) {
    out["exclusiveMaximum"] = schema["maximum"];
    delete out["maximum"];
  }
}

function mapValues(properties: JsonObject): JsonObject {
  return Object.fromEntries(
    Object.entries(properties).map(([name, property]) => [name, jsonSchemaOf(objectOr(property))]),
  );
}

/** Formats that are checked; all others are notes to the reader, as in Kubernetes. */
const formats = {
  int32: {
    type: "number",
    validate: (value: number) => Number.isInteger(value) && Math.abs(value) <= 2 ** 31,
  },
  int64: { type: "number", validate: (value: number) => Number.isInteger(value) },
  "date-time": /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)$/,
  date: /^\d{4}-\d\d-\d\d$/,
  byte: /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/,
  ipv4: /^(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)(?:\.(?!$)|$)){4}$/,
  uuid: /^[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}$/,
} as const;

function faultOf(error: ErrorObject): readonly FieldFault[] {
  const field = fieldPath(error.instancePath);
  const params: JsonObject = error.params;
  const limit = Number(params["limit"]);
  switch (error.keyword) {
    case "required":
      return [requiredValue(joinField(field, String(params["missingProperty"])))];
    case "enum":
      return [unsupportedValue(field, error.data, arrayOr(params["allowedValues"]).map(String))];
    case "type":
      return [typeFault(field, error.data, params["type"])];
    case "maxLength":
      return [
        { reason: "FieldValueTooLong", field, message: `Too long: may not be more than ${limit} bytes` },
      ];
    case "maxItems":
      return [tooMany(field, arrayOr(error.data).length, limit)];
    case "maxProperties":
      return [tooMany(field, Object.keys(objectOr(error.data)).length, limit)];
    default:
      return [invalidValue(field, shown(error.data), invalidText(field, error))];
  }
}

function typeFault(field: string, value: unknown, type: unknown): FieldFault {
  const wanted = arrayOr(type).length > 0 ? arrayOr(type).join(" or ") : String(type);
  const got = JSON.stringify(typeName(value));
  const message = `Invalid value: ${got}: ${field} in body must be of type ${wanted}: ${got}`;
  return { reason: "FieldValueTypeInvalid", field, message };
}

function tooMany(field: string, count: number, limit: number): FieldFault {
  const message = `Too many: ${count}: must have at most ${limit} items`;
  return { reason: "FieldValueTooMany", field, message };
}

/** What is wrong, in the words of the real API server, which people search for. */
function invalidText(field: string, { keyword, params, message, data }: ErrorObject): string {
  const named: JsonObject = params;
  const limit = String(named["limit"]);
  const whole = wholeTexts[keyword];
  if (whole !== undefined) return `${JSON.stringify(field)} ${whole}`;
  const texts: Readonly<Record<string, string>> = {
    minimum: `should be greater than or equal to ${limit}`,
    maximum: `should be less than or equal to ${limit}`,
    exclusiveMinimum: `should be greater than ${limit}`,
    exclusiveMaximum: `should be less than ${limit}`,
    multipleOf: `should be a multiple of ${String(named["multipleOf"])}`,
    minLength: `should be at least ${limit} chars long`,
    minItems: `should have at least ${limit} items`,
    minProperties: `should have at least ${limit} properties`,
    uniqueItems: "shouldn't contain duplicates",
    pattern: `should match '${String(named["pattern"])}'`,
    format: `must be of type ${String(named["format"])}: ${JSON.stringify(data)}`,
  };
  return `${field} in body ${texts[keyword] ?? message ?? keyword}`;
}

const wholeTexts: Readonly<Record<string, string>> = {
  oneOf: "must validate one and only one schema (oneOf)",
  anyOf: "must validate at least one schema (anyOf)",
  not: "must not validate the schema (not)",
};

/** Large values say nothing in a message: only what they are. */
function shown(value: unknown): unknown {
  return typeof value === "object" && value !== null ? typeName(value) : value;
}

function typeName(value: unknown): string {
  if (value === null) return "null";
  return Array.isArray(value) ? "array" : typeof value;
}

function fieldPath(pointer: string): string {
  return pointer
    .split("/")
    .slice(1)
    .map((part) => part.replaceAll("~1", "/").replaceAll("~0", "~"))
    .reduce((joined, part) => (/^\d+$/.test(part) ? `${joined}[${part}]` : joinField(joined, part)), "");
}

function joinField(field: string, name: string): string {
  return field === "" ? name : `${field}.${name}`;
}

function dedupe(faults: readonly FieldFault[]): readonly FieldFault[] {
  return [...new Map(faults.map((fault) => [`${fault.field} ${fault.message}`, fault])).values()];
}

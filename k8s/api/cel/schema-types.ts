/** From structural schemas to types of expressions, and from JSON to their values. */
import type { Environment } from "@marcbachmann/cel-js";
import { Duration } from "@marcbachmann/cel-js/evaluator";
import { arrayOr, isJsonObject, type JsonObject, objectOr } from "../json.ts";
import { escapeFieldName } from "./field-names.ts";
import { valuesEqual } from "./values-equal.ts";

/** The type of one place of a schema. */
export interface SchemaType {
  /** As the engine names it. */
  readonly name: string;
  /** The value of an expression for JSON that keeps to the schema; undefined: there is none. */
  convert(value: unknown): unknown;
}

/** Fields that every resource has. */
const resourceSchema: JsonObject = {
  apiVersion: { type: "string" },
  kind: { type: "string" },
  metadata: { type: "object", properties: { name: { type: "string" }, generateName: { type: "string" } } },
};

/** Where types are made. */
interface Making {
  readonly environment: Environment;
  /** What the types of objects are called; a place of the schema has one name. */
  readonly path: string;
  readonly isResource: boolean;
}

const dynamic: SchemaType = { name: "dyn", convert: plainValue };

/** The type of a place of a schema, with its objects' types registered. @param isResource Whether it has the fields of every resource. */
export function typeOfSchema(
  environment: Environment,
  schema: JsonObject,
  isResource: boolean,
): SchemaType | undefined {
  return typeOf(schema, { environment, path: "object", isResource });
}

function typeOf(schema: JsonObject, making: Making): SchemaType | undefined {
  if (schema["x-kubernetes-int-or-string"] === true) return dynamic;
  switch (schema["type"]) {
    case "object":
      return objectType(schema, making);
    case "array":
      return listType(schema, making);
    case "string":
      return textType(schema["format"]);
    case "integer":
      return {
        name: "int",
        convert: (value) => (typeof value === "number" ? BigInt(Math.trunc(value)) : undefined),
      };
    case "number":
      return { name: "double", convert: (value) => value ?? undefined };
    case "boolean":
      return { name: "bool", convert: (value) => value ?? undefined };
    default:
      return undefined;
  }
}

function textType(format: unknown): SchemaType {
  switch (format) {
    case "date":
    case "date-time":
      return {
        name: "google.protobuf.Timestamp",
        convert: (value) => (isText(value) ? new Date(value) : undefined),
      };
    case "duration":
      return {
        name: "google.protobuf.Duration",
        convert: (value) => (isText(value) ? durationOf(value) : undefined),
      };
    case "byte":
      return {
        name: "bytes",
        convert: (value) => (isText(value) ? new Uint8Array(Buffer.from(value, "base64")) : undefined),
      };
    default:
      return { name: "string", convert: (value) => value ?? undefined };
  }
}

const secondsPerUnit: Readonly<Record<string, number>> = {
  h: 3600,
  m: 60,
  s: 1,
  ms: 1e-3,
  us: 1e-6,
  µs: 1e-6,
  ns: 1e-9,
};

function durationOf(text: string): Duration | undefined {
  const parts = [...text.matchAll(/(\d+(?:\.\d*)?)(h|ms|m|us|µs|ns|s)/g)];
  if (parts.length === 0) return undefined;
  const seconds = parts.reduce(
    (sum, [, amount, unit]) => sum + Number(amount) * (secondsPerUnit[unit ?? ""] ?? 0),
    0,
  );
  const signed = text.startsWith("-") ? -seconds : seconds;
  const whole = Math.trunc(signed);
  return new Duration(BigInt(whole), Math.round((signed - whole) * 1e9));
}

function isText(value: unknown): value is string {
  return typeof value === "string";
}

function listType(schema: JsonObject, making: Making): SchemaType | undefined {
  const items = objectOr(schema["items"]);
  const isResource = items["x-kubernetes-embedded-resource"] === true;
  const item = typeOf(items, { ...making, path: `${making.path}.__items`, isResource });
  if (item === undefined) return undefined;
  return {
    name: `list<${item.name}>`,
    convert: (value) =>
      Array.isArray(value) ? value.map((one: unknown) => item.convert(one) ?? null) : undefined,
  };
}

function objectType(schema: JsonObject, making: Making): SchemaType | undefined {
  const additional = schema["additionalProperties"];
  if (isJsonObject(additional)) {
    const isResource = additional["x-kubernetes-embedded-resource"] === true;
    const value = typeOf(additional, { ...making, path: `${making.path}.__values`, isResource });
    return value === undefined ? undefined : mapType(value);
  }
  return messageType(schema, making);
}

function mapType(type: SchemaType): SchemaType {
  return {
    name: `map<string, ${type.name}>`,
    convert(value) {
      if (!isJsonObject(value)) return undefined;
      return new Map(Object.entries(value).map(([key, one]) => [key, type.convert(one) ?? null]));
    },
  };
}

function messageType(schema: JsonObject, making: Making): SchemaType {
  const { environment, path, isResource } = making;
  const properties = { ...objectOr(schema["properties"]), ...(isResource ? resourceSchema : {}) };
  const fields = new Map<string, { readonly escaped: string; readonly type: SchemaType }>();
  for (const [field, property] of Object.entries(properties)) {
    const escaped = escapeFieldName(field);
    const part = objectOr(property);
    const nested = part["x-kubernetes-embedded-resource"] === true;
    const type = escaped && typeOf(part, { environment, path: `${path}.${escaped}`, isResource: nested });
    if (escaped !== undefined && type) fields.set(field, { escaped, type });
  }
  const Message = messageClass();
  const declared = Object.fromEntries([...fields.values()].map(({ escaped, type }) => [escaped, type.name]));
  environment.registerType(path, { ctor: Message, fields: declared });
  environment.registerOperator(`${path} == ${path}`, valuesEqual);
  return {
    name: path,
    convert(value) {
      if (!isJsonObject(value)) return undefined;
      const message = new Message();
      for (const [field, { escaped, type }] of fields) {
        const converted = Object.hasOwn(value, field) ? type.convert(value[field]) : undefined;
        if (converted !== undefined)
          Object.defineProperty(message, escaped, { value: converted, enumerable: true });
      }
      return message;
    },
  };
}

/** JSON whose type shows only when it is there. */
export function plainValue(value: unknown): unknown {
  if (typeof value === "number") return Number.isInteger(value) ? BigInt(value) : value;
  if (Array.isArray(value)) return arrayOr(value).map(plainValue);
  if (isJsonObject(value)) {
    return new Map(Object.entries(value).map(([key, one]) => [key, plainValue(one)]));
  }
  return value ?? undefined;
}

/** A class of its own: by it the engine knows an object's type. */
function messageClass(): new () => object {
  return class Message {
    toString(): string {
      return "object";
    }
  };
}

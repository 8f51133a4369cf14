/** The recurring words of the schemas beside this file, so that they read like the types they describe. */

/** A structural OpenAPI v3 schema. */
export type Schema = Readonly<Record<string, unknown>>;

/** Any string. */
export const text: Schema = { type: "string" };
/** An object whose fields we do not read. */
export const anything: Schema = { type: "object", "x-kubernetes-preserve-unknown-fields": true };
/** A port number. */
export const port: Schema = { type: "integer", format: "int32", minimum: 1, maximum: 65_535 };

/** A list. */
export function listOf(items: Schema, more: Schema = {}): Schema {
  return { type: "array", items, ...more };
}

/** An object of values of one form. */
export function mapOf(values: Schema, more: Schema = {}): Schema {
  return { type: "object", additionalProperties: values, ...more };
}

/** An object of fields; those named must be there. */
export function object(
  properties: Readonly<Record<string, Schema>>,
  required: readonly string[] = [],
  more: Schema = {},
): Schema {
  return { type: "object", properties, ...(required.length === 0 ? {} : { required }), ...more };
}

/** One of some words. */
export function oneOf(...words: readonly string[]): Schema {
  return { type: "string", enum: words };
}

/** A schema with its meaning in words, which `kubectl explain` shows. */
export function described(description: string, schema: Schema): Schema {
  return { description, ...schema };
}

/** Observations in a status. */
export const conditions: Schema = listOf(
  object(
    {
      type: text,
      status: oneOf("True", "False", "Unknown"),
      reason: text,
      message: text,
      lastTransitionTime: { type: "string", format: "date-time" },
      observedGeneration: { type: "integer", format: "int64" },
    },
    ["type", "status"],
  ),
  { "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"] },
);

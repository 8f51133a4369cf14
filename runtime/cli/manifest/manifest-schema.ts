/** The JSON Schema of `lambient.jsonc`, defaults included. Only the shape: whether what it names exists is found out later. */
import type { SchemaObject } from "ajv";

const label = {
  type: "string",
  pattern: "^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$",
  description: "lower-case letters, digits and dashes, at most 63",
} as const;

const variable = {
  type: "string",
  pattern: "^[A-Za-z_][A-Za-z0-9_]*$",
  description: "letters, digits and underscores",
} as const;

const binding = {
  type: "object",
  additionalProperties: false,
  required: ["name", "function"],
  properties: { name: variable, function: label, namespace: label },
} as const;

const target = {
  type: "object",
  additionalProperties: false,
  required: ["revision", "percent"],
  properties: { revision: label, percent: { type: "integer", minimum: 0, maximum: 100 } },
} as const;

const egress = {
  description: '"ALLOW_ANY" or a list of destinations',
  default: "ALLOW_ANY",
  anyOf: [{ const: "ALLOW_ANY" }, { type: "array", items: { type: "string", minLength: 1 }, maxItems: 256 }],
} as const;

const scale = {
  type: "object",
  default: {},
  additionalProperties: false,
  properties: {
    concurrency: { type: "integer", minimum: 1, maximum: 10_000 },
    max: { type: "integer", minimum: 1, maximum: 1000 },
    idleMs: { type: "integer", minimum: 0, maximum: 86_400_000 },
    activationTimeoutMs: { type: "integer", minimum: 1, maximum: 600_000 },
  },
} as const;

const limits = {
  type: "object",
  default: {},
  additionalProperties: false,
  properties: { memoryMb: { type: "integer", minimum: 32, maximum: 65_536 } },
} as const;

const secret = {
  type: "object",
  additionalProperties: false,
  required: ["secret", "key"],
  properties: { secret: { type: "string", minLength: 1 }, key: { type: "string", minLength: 1 } },
} as const;

const schedule = {
  type: "object",
  additionalProperties: false,
  required: ["cron"],
  properties: { cron: { type: "string", minLength: 1 } },
} as const;

const aFunction = {
  type: "object",
  additionalProperties: false,
  required: ["main"],
  properties: {
    main: { type: "string", minLength: 1 },
    engine: { enum: ["bun"], default: "bun" },
    revision: label,
    serviceAccountName: label,
    env: { type: "object", default: {}, propertyNames: variable, additionalProperties: { type: "string" } },
    secrets: { type: "object", default: {}, propertyNames: variable, additionalProperties: secret },
    bindings: { type: "array", default: [], items: binding, maxItems: 64 },
    scale,
    limits,
    egress,
    traffic: { type: "array", items: target, minItems: 1, maxItems: 16 },
    schedules: { type: "array", default: [], items: schedule, maxItems: 16 },
  },
} as const;

/** What ajv checks a manifest against, and fills its defaults from. */
export const manifestSchema: SchemaObject = {
  type: "object",
  additionalProperties: false,
  required: ["namespace", "functions"],
  properties: {
    $schema: { type: "string" },
    namespace: label,
    group: { ...label, default: "waypoint" },
    functions: {
      type: "object",
      propertyNames: label,
      additionalProperties: aFunction,
      maxProperties: 256,
    },
    manifests: { type: "array", default: [], items: { type: "string", minLength: 1 }, maxItems: 256 },
  },
};

/** Whether a schema of a CustomResourceDefinition is structural: every place has a type, and nothing is said twice. Not its rules. */
import { isJsonObject, type JsonObject, objectOr, textOr } from "../json.ts";
import {
  type FieldFault,
  forbiddenField,
  invalidValue,
  requiredValue,
  unsupportedValue,
} from "../refusal.ts";
import { defaultFaults } from "./default-check.ts";
import { junctorFaults } from "./junctor-check.ts";
import { listTypeFaults, mapTypeFaults } from "./list-type-check.ts";

const types = ["array", "boolean", "integer", "number", "object", "string"];

/** Deepest schema that is read. */
const depthMax = 64;

/** Words of JSON Schema that no structural schema has. */
const forbiddenWords = ["$ref", "definitions", "dependencies", "patternProperties", "id", "additionalItems"];

/** What a place is, for the text about a missing type. */
type PlaceKind = "object fields" | "array items";

/** Faults of a whole schema. */
export function structuralFaults(schema: JsonObject, field: string): readonly FieldFault[] {
  if (schema["type"] !== "object") {
    return schema["type"] === undefined
      ? [requiredValue(`${field}.type`, "must not be empty at the root")]
      : [invalidValue(`${field}.type`, schema["type"], "must be object at the root")];
  }
  return [
    ...placeFaults(schema, field, { depth: 0, kind: "object fields" }),
    ...metadataFaults(schema, field),
  ];
}

function placeFaults(
  schema: JsonObject,
  field: string,
  at: { readonly depth: number; readonly kind: PlaceKind },
): readonly FieldFault[] {
  if (at.depth > depthMax) return [forbiddenField(field, `deeper than ${depthMax} levels`)];
  const depth = at.depth + 1;
  return [
    ...wordFaults(schema, field),
    ...typeFaults(schema, field, at.kind),
    ...resourceFaults(schema, field),
    ...listTypeFaults(schema, field),
    ...mapTypeFaults(schema, field),
    ...junctorFaults(schema, field),
    ...patternFaults(schema, field),
    ...defaultFaults(schema, field),
    ...partsOf(schema, field).flatMap((part) =>
      placeFaults(part.schema, part.field, { depth, kind: part.kind }),
    ),
  ];
}

function wordFaults(schema: JsonObject, field: string): readonly FieldFault[] {
  const faults: FieldFault[] = forbiddenWords
    .filter((word) => schema[word] !== undefined)
    .map((word) => forbiddenField(`${field}.${word}`, `${word} is not supported`));
  if (schema["uniqueItems"] === true) {
    const why = "uniqueItems cannot be set to true since the runtime complexity becomes quadratic";
    faults.push(forbiddenField(`${field}.uniqueItems`, why));
  }
  if (schema["x-kubernetes-preserve-unknown-fields"] === false) {
    const why = "must be true or undefined";
    faults.push(invalidValue(`${field}.x-kubernetes-preserve-unknown-fields`, false, why));
  }
  const properties = objectOr(schema["properties"]);
  if (Object.keys(properties).length > 0 && isJsonObject(schema["additionalProperties"])) {
    const why = "additionalProperties and properties are mutual exclusive";
    faults.push(forbiddenField(`${field}.additionalProperties`, why));
  }
  return faults;
}

function typeFaults(schema: JsonObject, field: string, kind: PlaceKind): readonly FieldFault[] {
  const { type, items } = schema;
  const isFree =
    schema["x-kubernetes-int-or-string"] === true || schema["x-kubernetes-preserve-unknown-fields"] === true;
  if (type === undefined || type === "") {
    return isFree ? [] : [requiredValue(`${field}.type`, `must not be empty for specified ${kind}`)];
  }
  if (!types.includes(textOr(type))) return [unsupportedValue(`${field}.type`, type, types)];
  if (Array.isArray(items)) {
    return [forbiddenField(`${field}.items`, "items must be a schema object and not an array")];
  }
  return type === "array" && !isJsonObject(items)
    ? [requiredValue(`${field}.items`, "must be specified")]
    : [];
}

function resourceFaults(schema: JsonObject, field: string): readonly FieldFault[] {
  if (schema["x-kubernetes-embedded-resource"] !== true) return [];
  const faults: FieldFault[] = [];
  const isOpen = schema["x-kubernetes-preserve-unknown-fields"] === true;
  if (!isOpen && Object.keys(objectOr(schema["properties"])).length === 0) {
    const why =
      "must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields";
    faults.push(requiredValue(`${field}.properties`, why));
  }
  if (schema["type"] !== "object") {
    const why = "must be object if x-kubernetes-embedded-resource is true";
    faults.push(invalidValue(`${field}.type`, schema["type"], why));
  }
  return faults;
}

/** Metadata is Kubernetes' own; a definition may only narrow the names. */
function metadataFaults(schema: JsonObject, field: string): readonly FieldFault[] {
  const metadata = objectOr(objectOr(schema["properties"])["metadata"]);
  const others = Object.keys(objectOr(metadata["properties"])).filter(
    (name) => name !== "name" && name !== "generateName",
  );
  if (others.length === 0) return [];
  const why =
    "must not specify anything other than name and generateName, but metadata is implicitly specified";
  return [forbiddenField(`${field}.properties[metadata]`, why)];
}

function patternFaults(schema: JsonObject, field: string): readonly FieldFault[] {
  const { pattern } = schema;
  if (typeof pattern !== "string") return [];
  try {
    void new RegExp(pattern);
    return [];
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return [
      invalidValue(`${field}.pattern`, pattern, `must be a valid regular expression, but isn't: ${why}`),
    ];
  }
}

/** The schemas right below one, those of `allOf` and its like excepted: they only narrow values. */
function partsOf(
  schema: JsonObject,
  field: string,
): readonly { readonly schema: JsonObject; readonly field: string; readonly kind: PlaceKind }[] {
  const properties = Object.entries(objectOr(schema["properties"])).map(([name, part]) => ({
    schema: objectOr(part),
    field: `${field}.properties[${name}]`,
    kind: "object fields" as const,
  }));
  const { items, additionalProperties } = schema;
  return [
    ...properties,
    ...(isJsonObject(items)
      ? [{ schema: items, field: `${field}.items`, kind: "array items" as const }]
      : []),
    ...(isJsonObject(additionalProperties)
      ? [
          {
            schema: additionalProperties,
            field: `${field}.additionalProperties`,
            kind: "object fields" as const,
          },
        ]
      : []),
  ];
}

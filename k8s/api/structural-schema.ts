/** Reading objects by a structural OpenAPI v3 schema: unknown fields are dropped, defaults set, then values are checked. Not the check that a schema is structural. */
import { compileRules, type SchemaRules } from "./cel/schema-rules.ts";
import { isJsonObject, type JsonObject, objectOr, setField, textsOf } from "./json.ts";
import type { ObjectSchema, SchemaFindings } from "./kind.ts";
import type { FieldFault } from "./refusal.ts";
import { valueChecker, type ValueCheck } from "./value-check.ts";
import type { WorkingObject } from "./working-object.ts";

/** Faults of one object that are told; a client does not read more. */
const faultsMax = 32;

/** Makes a reader of objects from a schema as a CustomResourceDefinition declares it. The checks are compiled at first use. */
export function structuralSchema(declared: JsonObject): ObjectSchema {
  let check: ValueCheck | undefined;
  let rules: SchemaRules | undefined;
  return {
    declared,
    read(object: WorkingObject): SchemaFindings {
      const unknown: string[] = [];
      prune(object, declared, { path: "", isResource: true, unknown });
      setDefaults(object, declared);
      check ??= valueChecker(declared);
      return { unknown, faults: [...check(object), ...listFaults(object, declared, "")].slice(0, faultsMax) };
    },
    judge(object, old, faults) {
      rules ??= compileRules(declared, "");
      if (rules.isEmpty) return [];
      return faults.some(({ reason }) => blocking.has(reason)) ? [notJudged] : rules.run(object, old);
    },
  };
}

/** Paths of fields of a value that its schema does not know; the value is left as it is. */
export function unknownFieldsOf(value: unknown, schema: JsonObject): readonly string[] {
  const unknown: string[] = [];
  const isResource = schema["x-kubernetes-embedded-resource"] === true;
  prune(structuredClone(value), schema, { path: "", isResource, unknown });
  return unknown;
}

/** Faults with which rules would speak of what is not there. */
const blocking: ReadonlySet<FieldFault["reason"]> = new Set<FieldFault["reason"]>([
  "FieldValueNotSupported",
  "FieldValueRequired",
  "FieldValueTooLong",
  "FieldValueTooMany",
  "FieldValueTypeInvalid",
]);
const notJudged: FieldFault = {
  reason: "FieldValueInvalid",
  field: "<nil>",
  message:
    "Invalid value: null: some validation rules were not checked because the object was invalid; correct the existing errors to complete validation",
};

interface PruneContext {
  readonly path: string;
  /** Whether `apiVersion`, `kind` and `metadata` are known here without being declared. */
  readonly isResource: boolean;
  readonly unknown: string[];
}

/** Fields that every resource has and no schema declares. */
const resourceFields = new Set(["apiVersion", "kind", "metadata"]);

function prune(value: unknown, schema: JsonObject, context: PruneContext): void {
  if (isJsonObject(value)) pruneObject(value, schema, context);
  else if (Array.isArray(value) && isJsonObject(schema["items"])) {
    const items = schema["items"];
    for (const [index, item] of value.entries()) {
      prune(item, items, childContext(context, `${context.path}[${index}]`, items));
    }
  }
}

function pruneObject(value: JsonObject, schema: JsonObject, context: PruneContext): void {
  const properties = objectOr(schema["properties"]);
  for (const name of Object.keys(value)) {
    if (context.isResource && resourceFields.has(name)) continue;
    const path = context.path === "" ? name : `${context.path}.${name}`;
    const declared = Object.hasOwn(properties, name) ? properties[name] : schema["additionalProperties"];
    if (isJsonObject(declared)) {
      if (value[name] === null && declared["nullable"] !== true) delete value[name];
      else prune(value[name], declared, childContext(context, path, declared));
    } else if (declared !== true && schema["x-kubernetes-preserve-unknown-fields"] !== true) {
      delete value[name];
      context.unknown.push(path);
    }
  }
}

function childContext(context: PruneContext, path: string, schema: JsonObject): PruneContext {
  return {
    path,
    isResource: schema["x-kubernetes-embedded-resource"] === true,
    unknown: context.unknown,
  };
}

function setDefaults(value: unknown, schema: JsonObject): void {
  if (Array.isArray(value)) {
    const items = objectOr(schema["items"]);
    for (const item of value) setDefaults(item, items);
    return;
  }
  if (!isJsonObject(value)) return;
  for (const [name, property] of Object.entries(objectOr(schema["properties"]))) {
    if (!isJsonObject(property)) continue;
    if (value[name] === undefined && property["default"] !== undefined) {
      setField(value, name, structuredClone(property["default"]));
    }
    setDefaults(value[name], property);
  }
  const additional = schema["additionalProperties"];
  if (!isJsonObject(additional)) return;
  for (const item of Object.values(value)) setDefaults(item, additional);
}

/** Faults of lists that are sets or maps by key: JSON Schema cannot say that. */
function listFaults(value: unknown, schema: JsonObject, path: string): readonly FieldFault[] {
  if (Array.isArray(value)) {
    const items = objectOr(schema["items"]);
    return [
      ...duplicateFaults(value, schema, path),
      ...value.flatMap((item, index) => listFaults(item, items, `${path}[${index}]`)),
    ];
  }
  if (!isJsonObject(value)) return [];
  const properties = objectOr(schema["properties"]);
  const additional = objectOr(schema["additionalProperties"]);
  return Object.entries(value).flatMap(([name, item]) =>
    listFaults(
      item,
      Object.hasOwn(properties, name) ? objectOr(properties[name]) : additional,
      path === "" ? name : `${path}.${name}`,
    ),
  );
}

function duplicateFaults(items: readonly unknown[], schema: JsonObject, path: string): readonly FieldFault[] {
  const listType = schema["x-kubernetes-list-type"];
  if (listType !== "set" && listType !== "map") return [];
  const keys = textsOf(schema["x-kubernetes-list-map-keys"]);
  const seen = new Set<string>();
  const faults: FieldFault[] = [];
  for (const [index, item] of items.entries()) {
    const identity = listType === "set" ? item : keys.map((key) => objectOr(item)[key] ?? null);
    const text = JSON.stringify(identity);
    if (seen.has(text)) {
      const field = `${path}[${index}]`;
      faults.push({ reason: "FieldValueDuplicate", field, message: `Duplicate value: ${text}` });
    }
    seen.add(text);
  }
  return faults;
}

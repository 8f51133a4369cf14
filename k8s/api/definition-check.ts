/** Whether a CustomResourceDefinition can be served: its names, its versions, and schemas that are structural. */
import { errorText } from "#host/mesh-error.ts";
import { arrayOr, isJsonObject, type JsonObject, objectOr, textOr } from "./json.ts";
import { type FieldFault, forbiddenField, invalidValue, requiredValue, unsupportedValue } from "./refusal.ts";
import { valueChecker } from "./value-check.ts";
import { immutableRule } from "./structural-schema.ts";
import type { WorkingObject } from "./working-object.ts";

const label = /^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$/;
const groupName = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)+$/;
const types = ["object", "array", "string", "integer", "number", "boolean"];

/** Deepest schema that is read. */
const depthMax = 64;

/** Words of JSON Schema that no structural schema has. */
const forbiddenWords = ["$ref", "definitions", "dependencies", "patternProperties", "id", "additionalItems"];

/** Faults of a definition. */
export function definitionFaults(definition: WorkingObject): readonly FieldFault[] {
  const spec = objectOr(definition["spec"]);
  const names = objectOr(spec["names"]);
  const faults: FieldFault[] = [];
  const group = textOr(spec["group"]);
  if (!groupName.test(group)) faults.push(invalidValue("spec.group", group, "must be a domain name"));
  const plural = textOr(names["plural"]);
  if (!label.test(plural)) faults.push(invalidValue("spec.names.plural", plural, "must be a DNS-1035 label"));
  if (!/^[A-Z][A-Za-z0-9]{0,62}$/.test(textOr(names["kind"]))) {
    faults.push(invalidValue("spec.names.kind", names["kind"], "must be one word in CamelCase"));
  }
  for (const field of ["singular", "listKind"]) {
    if (textOr(names[field]) === "") {
      faults.push(invalidValue(`spec.names.${field}`, names[field], "must be one word"));
    }
  }
  if (definition.metadata.name !== `${plural}.${group}`) {
    const why = `must be spec.names.plural+"."+spec.group, "${plural}.${group}"`;
    faults.push(invalidValue("metadata.name", definition.metadata.name, why));
  }
  const scopes = ["Namespaced", "Cluster"];
  if (!scopes.includes(textOr(spec["scope"]))) {
    faults.push(unsupportedValue("spec.scope", spec["scope"], scopes));
  }
  if (spec["preserveUnknownFields"] === true) {
    const why = "must be false; use x-kubernetes-preserve-unknown-fields in the schema";
    faults.push(invalidValue("spec.preserveUnknownFields", true, why));
  }
  const strategy = objectOr(spec["conversion"])["strategy"] ?? "None";
  if (strategy !== "None") faults.push(unsupportedValue("spec.conversion.strategy", strategy, ["None"]));
  return [...faults, ...versionFaults(spec)];
}

/** Rules of a definition's schemas that this server does not evaluate, as warnings. */
export function unevaluatedRules(definition: WorkingObject): readonly string[] {
  const rules: string[] = [];
  for (const version of arrayOr(objectOr(definition["spec"])["versions"]).map(objectOr)) {
    collectRules(objectOr(objectOr(version["schema"])["openAPIV3Schema"]), rules);
  }
  const others = [...new Set(rules)].filter((rule) => rule !== immutableRule);
  return others.length === 0
    ? []
    : [`${others.length} rules of x-kubernetes-validations are kept but not evaluated by this server`];
}

function collectRules(schema: JsonObject, rules: string[]): void {
  for (const rule of arrayOr(schema["x-kubernetes-validations"]).map(objectOr)) {
    rules.push(textOr(rule["rule"]).trim());
  }
  for (const part of partsOf(schema, "")) collectRules(part.schema, rules);
}

function versionFaults(spec: JsonObject): readonly FieldFault[] {
  const versions = arrayOr(spec["versions"]).map(objectOr);
  if (versions.length === 0) return [requiredValue("spec.versions", "must have at least one version")];
  const faults: FieldFault[] = [];
  const seen = new Set<string>();
  const checked = new Set<string>();
  for (const [index, version] of versions.entries()) {
    const field = `spec.versions[${index}]`;
    const name = textOr(version["name"]);
    if (!label.test(name)) faults.push(invalidValue(`${field}.name`, name, "must be a DNS-1035 label"));
    if (seen.has(name)) faults.push(invalidValue(`${field}.name`, name, "must be unique"));
    seen.add(name);
    const schema = objectOr(version["schema"])["openAPIV3Schema"];
    const schemaField = `${field}.schema.openAPIV3Schema`;
    if (!isJsonObject(schema)) faults.push(requiredValue(schemaField, "schemas are required"));
    else if (schema["type"] !== "object") {
      faults.push(invalidValue(`${schemaField}.type`, schema["type"], `must be "object" at the root`));
    } else if (!checked.has(JSON.stringify(schema))) {
      // Versions often have one schema, and to check it is to compile it.
      checked.add(JSON.stringify(schema));
      faults.push(...openApiFaults(schema, schemaField));
    }
  }
  if (versions.filter((version) => version["storage"] === true).length !== 1) {
    const why = "must have exactly one version marked as storage version";
    faults.push(invalidValue("spec.versions", [...seen], why));
  }
  return faults;
}

function openApiFaults(schema: JsonObject, field: string): readonly FieldFault[] {
  const faults = schemaFaults(schema, field, 0);
  return faults.length > 0 ? faults : compileFaults(schema, field);
}

function schemaFaults(schema: JsonObject, field: string, depth: number): readonly FieldFault[] {
  if (depth > depthMax) return [forbiddenField(field, `deeper than ${depthMax} levels`)];
  const faults: FieldFault[] = forbiddenWords
    .filter((word) => schema[word] !== undefined)
    .map((word) => forbiddenField(`${field}.${word}`, "a structural schema does not have it"));
  const isFree =
    schema["x-kubernetes-int-or-string"] === true || schema["x-kubernetes-preserve-unknown-fields"] === true;
  if (schema["type"] === undefined && !isFree) {
    faults.push(requiredValue(`${field}.type`, "must not be empty for specified object fields"));
  } else if (schema["type"] !== undefined && !types.includes(textOr(schema["type"]))) {
    faults.push(unsupportedValue(`${field}.type`, schema["type"], types));
  }
  if (isJsonObject(schema["properties"]) && isJsonObject(schema["additionalProperties"])) {
    const why = "additionalProperties and properties are mutual exclusive";
    faults.push(forbiddenField(`${field}.additionalProperties`, why));
  }
  if (schema["type"] === "array" && !isJsonObject(schema["items"])) {
    faults.push(requiredValue(`${field}.items`, "must be specified for an array"));
  }
  return [
    ...faults,
    ...patternFaults(schema, field),
    ...partsOf(schema, field).flatMap((part) => schemaFaults(part.schema, part.field, depth + 1)),
  ];
}

/** Words of a schema with values that are none of theirs show when it is compiled, and not later, when an object comes. */
function compileFaults(schema: JsonObject, field: string): readonly FieldFault[] {
  try {
    valueChecker(schema);
    return [];
  } catch (error) {
    return [invalidValue(field, "schema", errorText(error))];
  }
}

function patternFaults(schema: JsonObject, field: string): readonly FieldFault[] {
  if (typeof schema["pattern"] !== "string") return [];
  try {
    void new RegExp(schema["pattern"]);
    return [];
  } catch (error) {
    return [invalidValue(`${field}.pattern`, schema["pattern"], String(error))];
  }
}

/** The schemas right below one, those of `allOf` and its like excepted: they only narrow values. */
function partsOf(schema: JsonObject, field: string): readonly { schema: JsonObject; field: string }[] {
  const parts = Object.entries(objectOr(schema["properties"])).map(([name, part]) => ({
    schema: objectOr(part),
    field: `${field}.properties[${name}]`,
  }));
  for (const word of ["items", "additionalProperties"]) {
    const part = schema[word];
    if (isJsonObject(part)) parts.push({ schema: part, field: `${field}.${word}` });
  }
  return parts;
}

/** Whether a CustomResourceDefinition can be served: its names, its versions, and schemas that are structural. */
import { errorText } from "#host/mesh-error.ts";
import { compileRules } from "./cel/schema-rules.ts";
import { structuralFaults } from "./definitions/schema-check.ts";
import { arrayOr, isJsonObject, type JsonObject, objectOr, textOr } from "./json.ts";
import { type FieldFault, invalidValue, requiredValue, unsupportedValue } from "./refusal.ts";
import { valueChecker } from "./value-check.ts";
import type { WorkingObject } from "./working-object.ts";

const label = /^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$/;
const groupName = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)+$/;
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

function versionFaults(spec: JsonObject): readonly FieldFault[] {
  const versions = arrayOr(spec["versions"]).map(objectOr);
  if (versions.length === 0) return [requiredValue("spec.versions", "must have at least one version")];
  const faults: FieldFault[] = [];
  const names = versions.map((version) => textOr(version["name"]));
  for (const [index, name] of names.entries()) {
    const field = `spec.versions[${index}].name`;
    if (!label.test(name)) faults.push(invalidValue(field, name, "must be a DNS-1035 label"));
    if (names.indexOf(name) < index) faults.push(invalidValue(field, name, "must be unique"));
  }
  faults.push(...schemasFaults(versions));
  if (versions.filter((version) => version["storage"] === true).length !== 1) {
    const why = "must have exactly one version marked as storage version";
    faults.push(invalidValue("spec.versions", [...new Set(names)], why));
  }
  return faults;
}

/** Versions often have one schema, and to check it is to compile it; Kubernetes calls it that of all of them. */
function schemasFaults(versions: readonly JsonObject[]): readonly FieldFault[] {
  const schemas = versions.map((version) => objectOr(version["schema"])["openAPIV3Schema"]);
  const distinct = new Map(schemas.map((schema, index) => [JSON.stringify(schema), index]));
  return [...distinct.values()].flatMap((index) => {
    const own = `spec.versions[${index}].schema.openAPIV3Schema`;
    const schema = schemas[index];
    if (!isJsonObject(schema)) return [requiredValue(own, "schemas are required")];
    return schemaFaults(schema, distinct.size === 1 ? "spec.validation.openAPIV3Schema" : own);
  });
}

function schemaFaults(schema: JsonObject, field: string): readonly FieldFault[] {
  const faults = structuralFaults(schema, field);
  if (faults.length > 0) return faults;
  const unreadable = compileFaults(schema, field);
  return unreadable.length > 0 ? unreadable : compileRules(schema, field).faults;
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

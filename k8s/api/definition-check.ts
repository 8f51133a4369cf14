/** Whether a CustomResourceDefinition can be served: its names, its versions, and schemas that are structural. */
import { errorText } from "#host/mesh-error.ts";
import { compileRules } from "./cel/schema-rules.ts";
import { labelFaults, namesFaults } from "./definitions/names-check.ts";
import { structuralFaults } from "./definitions/schema-check.ts";
import { deprecationFaults, partsFaults } from "./definitions/version-parts-check.ts";
import { arrayOr, isJsonObject, type JsonObject, objectOr, textOr } from "./json.ts";
import { type FieldFault, invalidValue, requiredValue, unsupportedValue } from "./refusal.ts";
import { valueChecker } from "./value-check.ts";
import type { WorkingObject } from "./working-object.ts";

/** Faults of a definition. */
export function definitionFaults(definition: WorkingObject): readonly FieldFault[] {
  const spec = objectOr(definition["spec"]);
  const faults: FieldFault[] = [...namesFaults(definition)];
  if (spec["preserveUnknownFields"] === true) {
    const why =
      "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead";
    faults.push(invalidValue("spec.preserveUnknownFields", true, why));
  }
  const strategy = objectOr(spec["conversion"])["strategy"] ?? "None";
  if (strategy !== "None") faults.push(unsupportedValue("spec.conversion.strategy", strategy, ["None"]));
  return [...faults, ...versionFaults(arrayOr(spec["versions"]).map(objectOr))];
}

function versionFaults(versions: readonly JsonObject[]): readonly FieldFault[] {
  const names = versions.map((version) => textOr(version["name"]));
  const faults: FieldFault[] = [];
  for (const [index, version] of versions.entries()) {
    const field = `spec.versions[${index}]`;
    faults.push(...labelFaults(`${field}.name`, version["name"]), ...deprecationFaults(version, field));
  }
  // Kubernetes' oldest form has the first version's name at a place of its own.
  if (faults.some(({ field }) => field === "spec.versions[0].name")) {
    faults.push(...labelFaults("spec.version", names[0]));
  }
  if (new Set(names).size < names.length) {
    faults.push(invalidValue("spec.versions", versions.map(shown), "must contain unique version names"));
  }
  return [...faults, ...storageFaults(versions), ...partFaults(versions), ...schemasFaults(versions)];
}

function storageFaults(versions: readonly JsonObject[]): readonly FieldFault[] {
  const stored = versions.filter((version) => version["storage"] === true).map((version) => version["name"]);
  if (stored.length === 1) return [];
  const why = "must have exactly one version marked as storage version";
  const status =
    stored.length === 0
      ? invalidValue("status.storedVersions", null, "must have at least one stored version")
      : invalidValue(
          "status.storedVersions",
          stored.slice(0, 1),
          `must have the storage version ${textOr(stored.at(-1))}`,
        );
  return [invalidValue("spec.versions", versions.map(shown), why), status];
}

/** A version as Go's JSON shows it in a refusal: what all versions have in common is not told again. */
function shown(version: JsonObject): JsonObject {
  return {
    Name: version["name"],
    Served: version["served"],
    Storage: version["storage"],
    Deprecated: version["deprecated"] === true,
    DeprecationWarning: version["deprecationWarning"] ?? null,
    Schema: null,
    Subresources: null,
    AdditionalPrinterColumns: null,
    SelectableFields: null,
  };
}

/** What is the same in all versions is told as the definition's. */
function partFaults(versions: readonly JsonObject[]): readonly FieldFault[] {
  const parts = versions.map((version) =>
    JSON.stringify(
      ["subresources", "additionalPrinterColumns", "selectableFields"].map((name) => version[name] ?? null),
    ),
  );
  const [first] = versions;
  if (first !== undefined && new Set(parts).size === 1) return partsFaults(first, "spec");
  return versions.flatMap((version, index) => partsFaults(version, `spec.versions[${index}]`));
}

/** Versions often have one schema, and to check it is to compile it; Kubernetes calls it that of all of them. */
function schemasFaults(versions: readonly JsonObject[]): readonly FieldFault[] {
  const schemas = versions.map((version) => objectOr(version["schema"])["openAPIV3Schema"]);
  const distinct = new Map(schemas.map((schema, index) => [JSON.stringify(schema), index]));
  return [...distinct.values()].flatMap((index) => {
    const own = `spec.versions[${index}].schema.openAPIV3Schema`;
    const schema = schemas[index];
    if (!isJsonObject(schema)) return [requiredValue(own)];
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

/** Faults of the metadata a client wrote: names, labels, annotations, owners, finalizers; the same for all kinds. */
import { isJsonObject, type JsonObject, objectOr, textOr } from "./json.ts";
import type { KindDefinition } from "./kind.ts";
import { keyFaultTexts, labelValueFaultTexts, nameFaultTexts } from "./name-rules.ts";
import { type FieldFault, invalidValue, requiredValue } from "./refusal.ts";
import type { WorkingMeta, WorkingObject } from "./working-object.ts";

/** All annotations of an object together. */
const annotationsBytesMax = 256 * 1024;

/** Finalizers that need no prefix. */
const standardFinalizers = new Set(["kubernetes", "orphan", "foregroundDeletion"]);

/** Faults of the metadata a client wrote. */
export function metadataFaults(kind: KindDefinition, object: WorkingObject): readonly FieldFault[] {
  const meta = object.metadata;
  return [
    ...stemFaults(kind, meta.generateName),
    ...nameFaults(kind, meta.name),
    ...textMapFaults("metadata.labels", meta.labels, labelFaults),
    ...textMapFaults("metadata.annotations", meta.annotations, annotationFaults),
    ...annotationSizeFaults(meta),
    ...ownersFaults(meta.ownerReferences),
    ...finalizersFaults(kind, meta.finalizers),
  ];
}

function nameFaults(kind: KindDefinition, name: unknown): readonly FieldFault[] {
  if (typeof name !== "string" || name === "") {
    return [requiredValue("metadata.name", "name or generateName is required")];
  }
  return nameFaultTexts(kind.nameForm, name).map((why) => invalidValue("metadata.name", name, why));
}

function stemFaults(kind: KindDefinition, stem: unknown): readonly FieldFault[] {
  if (stem === undefined || stem === null || stem === "") return [];
  if (typeof stem !== "string") return [invalidValue("metadata.generateName", stem, "must be a string")];
  // What follows makes a dash at the end the middle of a name.
  const begun = stem.replace(/-$/, "a");
  return nameFaultTexts(kind.nameForm, begun).map((why) => invalidValue("metadata.generateName", stem, why));
}

function textMapFaults(
  field: string,
  map: unknown,
  faultsOf: (field: string, name: string, value: string) => readonly FieldFault[],
): readonly FieldFault[] {
  if (map === undefined || map === null) return [];
  if (!isJsonObject(map)) return [invalidValue(field, map, "must be an object of strings")];
  return Object.entries(map).flatMap(([name, value]) =>
    typeof value === "string"
      ? faultsOf(field, name, value)
      : [invalidValue(`${field}.${name}`, value, "must be a string")],
  );
}

function labelFaults(field: string, name: string, value: string): readonly FieldFault[] {
  return [
    ...keyFaultTexts(name).map((why) => invalidValue(field, name, why)),
    ...labelValueFaultTexts(value).map((why) => invalidValue(field, value, why)),
  ];
}

function annotationFaults(field: string, name: string): readonly FieldFault[] {
  return keyFaultTexts(name.toLowerCase()).map((why) => invalidValue(field, name, why));
}

function annotationSizeFaults(meta: WorkingMeta): readonly FieldFault[] {
  let bytes = 0;
  for (const [name, value] of Object.entries(objectOr(meta.annotations))) {
    bytes += name.length + textOr(value).length;
  }
  if (bytes <= annotationsBytesMax) return [];
  return [
    {
      reason: "FieldValueTooLong",
      field: "metadata.annotations",
      message: `Too long: may not be more than ${annotationsBytesMax} bytes`,
    },
  ];
}

function ownersFaults(owners: unknown): readonly FieldFault[] {
  if (owners === undefined || owners === null) return [];
  if (!Array.isArray(owners)) return [invalidValue("metadata.ownerReferences", owners, "must be an array")];
  const named = owners.map(objectOr);
  const [first, second] = named.filter((owner) => owner["controller"] === true).map(ownerText);
  const why = `Only one reference can have Controller set to true. Found "true" in references for ${first} and ${second}`;
  return [
    ...named.flatMap((owner, index) => ownerFaults(owner, `metadata.ownerReferences[${index}]`)),
    ...(second === undefined ? [] : [invalidValue("metadata.ownerReferences", owners, why)]),
  ];
}

function ownerText(owner: JsonObject): string {
  return `${textOr(owner["kind"])}/${textOr(owner["name"])}`;
}

function ownerFaults(owner: JsonObject, field: string): readonly FieldFault[] {
  const missing = ["apiVersion", "kind", "name", "uid"]
    .filter((name) => textOr(owner[name]) === "")
    .map((name) => requiredValue(`${field}.${name}`, "must not be empty"));
  const version = textOr(owner["apiVersion"]);
  if (version.split("/").length > 2) {
    const why = "must be <group>/<version> or <version>";
    return [...missing, invalidValue(`${field}.apiVersion`, version, why)];
  }
  // Events come and go: nothing may live by them.
  if (version !== "v1" || owner["kind"] !== "Event") return missing;
  return [...missing, invalidValue(field, owner, "/v1, Kind=Event is disallowed from being an owner")];
}

function finalizersFaults(kind: KindDefinition, finalizers: unknown): readonly FieldFault[] {
  const field = "metadata.finalizers";
  if (finalizers === undefined || finalizers === null) return [];
  if (!Array.isArray(finalizers)) return [invalidValue(field, finalizers, "must be an array")];
  const isBoth = finalizers.includes("orphan") && finalizers.includes("foregroundDeletion");
  const why = "finalizer orphan and foregroundDeletion cannot be both set";
  return [
    ...finalizers.flatMap((finalizer) =>
      keyFaultTexts(textOr(finalizer)).map((text) => invalidValue(field, finalizer, text)),
    ),
    ...(kind.isCustom ? [] : finalizers.flatMap(unqualifiedFaults)),
    ...(isBoth ? [invalidValue(field, finalizers, why)] : []),
  ];
}

/** Of built-in kinds only finalizers with a prefix are taken, and those that everybody knows. */
function unqualifiedFaults(finalizer: unknown, index: number): readonly FieldFault[] {
  const name = textOr(finalizer);
  if (standardFinalizers.has(name) || name.includes("/")) return [];
  const why = "name is neither a standard finalizer name nor is it fully qualified";
  return [invalidValue(`metadata.finalizers[${index}]`, finalizer, why)];
}

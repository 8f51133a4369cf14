/** The rules for metadata that all kinds share: what is a name, a label, an owner; what a client may set and what it may not. */
import { isJsonObject, type JsonObject, objectOr, textOr, textsOf } from "./json.ts";
import type { KindDefinition } from "./kind.ts";
import { isLabelName, isLabelValue } from "./label-selector.ts";
import { type FieldFault, forbiddenField, invalidValue, requiredValue } from "./refusal.ts";
import type { WorkingMeta, WorkingObject } from "./working-object.ts";

/** All annotations of an object together. */
const annotationsBytesMax = 256 * 1024;

const suffixAlphabet = "bcdfghjklmnpqrstvwxz2456789";
const nameLengthMax = { subdomain: 253, label: 63, "label-1035": 63, "path-segment": 253 } as const;
const namePattern = {
  subdomain: /^[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*$/,
  label: /^[a-z0-9](?:[-a-z0-9]*[a-z0-9])?$/,
  "label-1035": /^[a-z](?:[-a-z0-9]*[a-z0-9])?$/,
  "path-segment": /^(?!\.{1,2}$)[^/%]+$/,
} as const;
const nameRule = {
  subdomain:
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character",
  label:
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character",
  "label-1035":
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character",
  "path-segment": "may not be '.' or '..' nor contain '/' or '%'",
} as const;

/** A name from its stem: five characters more, none of which make words. */
export function generatedName(stem: string, random: () => number): string {
  let suffix = "";
  for (let i = 0; i < 5; i++) suffix += suffixAlphabet[Math.floor(random() * suffixAlphabet.length)] ?? "x";
  // Cut so that the whole fits a DNS label, as Kubernetes does.
  return stem.slice(0, 58) + suffix;
}

/** Faults of the metadata a client wrote. */
export function metadataFaults(kind: KindDefinition, object: WorkingObject): readonly FieldFault[] {
  const meta = object.metadata;
  return [
    ...nameFaults(kind, meta.name),
    ...generateNameFaults(meta.generateName),
    ...textMapFaults("metadata.labels", meta.labels, labelFault),
    ...textMapFaults("metadata.annotations", meta.annotations, annotationFault),
    ...annotationSizeFaults(meta),
    ...ownerFaults(meta.ownerReferences),
    ...finalizerFaults(meta.finalizers),
  ];
}

/** Keeps of new metadata what a client may set, and takes the rest from the stored object. */
export function keepSystemFields(meta: WorkingMeta, old: WorkingMeta): WorkingMeta {
  const { generateName, generation, deletionTimestamp, deletionGracePeriodSeconds } = old;
  return {
    name: old.name,
    ...(generateName === undefined ? {} : { generateName }),
    ...(old.namespace === undefined ? {} : { namespace: old.namespace }),
    uid: old.uid,
    resourceVersion: old.resourceVersion,
    ...(generation === undefined ? {} : { generation }),
    creationTimestamp: old.creationTimestamp,
    ...(deletionTimestamp === undefined ? {} : { deletionTimestamp }),
    ...(deletionGracePeriodSeconds === undefined ? {} : { deletionGracePeriodSeconds }),
    ...userMeta(meta),
  };
}

/** Metadata of an object that is made now. */
export function freshMeta(
  meta: WorkingMeta,
  made: { readonly uid: string; readonly at: string; readonly generation: number | undefined },
): WorkingMeta {
  const { name, generateName, namespace } = meta;
  return {
    name,
    ...(typeof generateName !== "string" || generateName === "" ? {} : { generateName }),
    ...(namespace === undefined ? {} : { namespace }),
    uid: made.uid,
    resourceVersion: "",
    ...(made.generation === undefined ? {} : { generation: made.generation }),
    creationTimestamp: made.at,
    ...userMeta(meta),
  };
}

/** Only a deletion says when an object is to be gone. @param sent Metadata as the client sent them. */
export function deletionFaults(sent: JsonObject, old: WorkingMeta): readonly FieldFault[] {
  // Once it is said, what a client repeats of it, rightly or wrongly, is passed over.
  if (old.deletionTimestamp !== undefined) return [];
  return (["deletionTimestamp", "deletionGracePeriodSeconds"] as const)
    .filter((name) => (sent[name] ?? undefined) !== undefined)
    .map((name) => invalidValue(`metadata.${name}`, sent[name], "field is immutable"));
}

/** New finalizers may not be put on an object that is being deleted: nobody would expect them to run. */
export function lateFinalizerFaults(meta: WorkingMeta, old: WorkingMeta): readonly FieldFault[] {
  if (old.deletionTimestamp === undefined) return [];
  const before = new Set(old.finalizers);
  const late = textsOf(meta.finalizers).filter((finalizer) => !before.has(finalizer));
  if (late.length === 0) return [];
  const why = `no new finalizers can be added if the object is being deleted, found new finalizers ${JSON.stringify(late)}`;
  return [forbiddenField("metadata.finalizers", why)];
}

function userMeta(meta: WorkingMeta): Partial<WorkingMeta> {
  const { labels, annotations, ownerReferences, finalizers } = meta;
  return {
    ...(isEmpty(labels) ? {} : { labels }),
    ...(isEmpty(annotations) ? {} : { annotations }),
    ...(isEmpty(ownerReferences) ? {} : { ownerReferences }),
    ...(isEmpty(finalizers) ? {} : { finalizers }),
  };
}

function isEmpty(value: object | null | undefined): value is null | undefined {
  return value === undefined || value === null || Object.keys(value).length === 0;
}

function nameFaults(kind: KindDefinition, name: unknown): readonly FieldFault[] {
  if (typeof name !== "string" || name === "") {
    return [requiredValue("metadata.name", "name or generateName is required")];
  }
  const max = nameLengthMax[kind.nameForm];
  if (name.length > max) {
    return [invalidValue("metadata.name", name, `must be no more than ${max} characters`)];
  }
  return namePattern[kind.nameForm].test(name)
    ? []
    : [invalidValue("metadata.name", name, nameRule[kind.nameForm])];
}

function generateNameFaults(stem: unknown): readonly FieldFault[] {
  if (stem === undefined || stem === null || typeof stem === "string") return [];
  return [invalidValue("metadata.generateName", stem, "must be a string")];
}

function textMapFaults(
  field: string,
  map: unknown,
  faultOf: (field: string, name: string, value: string) => FieldFault | undefined,
): readonly FieldFault[] {
  if (map === undefined || map === null) return [];
  if (!isJsonObject(map)) return [invalidValue(field, map, "must be an object of strings")];
  return Object.entries(map).flatMap(([name, value]) => {
    if (typeof value !== "string") return [invalidValue(`${field}.${name}`, value, "must be a string")];
    const fault = faultOf(field, name, value);
    return fault === undefined ? [] : [fault];
  });
}

function labelFault(field: string, name: string, value: string): FieldFault | undefined {
  if (!isLabelName(name)) {
    return invalidValue(
      field,
      name,
      "a label's name is at most 63 characters of [A-Za-z0-9._-], optionally after a DNS prefix and '/'",
    );
  }
  if (isLabelValue(value)) return undefined;
  return invalidValue(
    field,
    value,
    "a label's value is at most 63 characters of [A-Za-z0-9._-], begins and ends with an alphanumeric character, or is empty",
  );
}

function annotationFault(field: string, name: string): FieldFault | undefined {
  return isLabelName(name.toLowerCase())
    ? undefined
    : invalidValue(
        field,
        name,
        "an annotation's name is at most 63 characters of [A-Za-z0-9._-], optionally after a DNS prefix and '/'",
      );
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

function ownerFaults(owners: unknown): readonly FieldFault[] {
  if (owners === undefined || owners === null) return [];
  if (!Array.isArray(owners)) return [invalidValue("metadata.ownerReferences", owners, "must be an array")];
  const faults: FieldFault[] = [];
  for (const owner of owners) {
    for (const field of ["apiVersion", "kind", "name", "uid"]) {
      if (!isJsonObject(owner) || textOr(owner[field]) === "") {
        faults.push(requiredValue(`metadata.ownerReferences.${field}`));
      }
    }
  }
  if (owners.filter((owner) => isJsonObject(owner) && owner["controller"] === true).length > 1) {
    const why = "Only one reference can have Controller set to true";
    faults.push(invalidValue("metadata.ownerReferences", owners.length, why));
  }
  return faults;
}

function finalizerFaults(finalizers: unknown): readonly FieldFault[] {
  if (finalizers === undefined || finalizers === null) return [];
  if (!Array.isArray(finalizers))
    return [invalidValue("metadata.finalizers", finalizers, "must be an array")];
  return finalizers
    .filter((finalizer) => typeof finalizer !== "string" || !isLabelName(finalizer))
    .map((finalizer) => invalidValue("metadata.finalizers", finalizer, "must be a qualified name"));
}

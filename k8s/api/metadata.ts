/** Metadata that all kinds share: names that are made, what a client may set and what it may not. What is a name or a label is in metadata-faults. */
import { type JsonObject, textsOf } from "./json.ts";
import { type FieldFault, forbiddenField, invalidValue } from "./refusal.ts";
import type { WorkingMeta } from "./working-object.ts";
import type { OwnerReference } from "#host/kube/object.ts";

const suffixAlphabet = "bcdfghjklmnpqrstvwxz2456789";

/** A name from its stem: five characters more, none of which make words. */
export function generatedName(stem: string, random: () => number): string {
  let suffix = "";
  for (let i = 0; i < 5; i++) suffix += suffixAlphabet[Math.floor(random() * suffixAlphabet.length)] ?? "x";
  // Cut so that the whole fits a DNS label, as Kubernetes does.
  return stem.slice(0, 58) + suffix;
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
    ...(isEmpty(ownerReferences) ? {} : { ownerReferences: onePerOwner(ownerReferences) }),
    ...(isEmpty(finalizers) ? {} : { finalizers }),
  };
}

/** Of equal references the first counts. */
function onePerOwner(references: readonly OwnerReference[]): readonly OwnerReference[] {
  const seen = new Set<string>();
  return references.filter((reference) => {
    const text = ownerText(reference);
    return !seen.has(text) && seen.add(text);
  });
}

/** What a reference says, the same for equal ones. */
export function ownerText(reference: Partial<OwnerReference>): string {
  const { apiVersion, kind, name, uid, controller, blockOwnerDeletion } = reference;
  return JSON.stringify([apiVersion, kind, name, uid, controller, blockOwnerDeletion]);
}

function isEmpty(value: object | null | undefined): value is null | undefined {
  return value === undefined || value === null || Object.keys(value).length === 0;
}

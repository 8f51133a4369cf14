/** Fields of built-in kinds that stay what they were made: what else would have to be moved, or made anew, is not changed under its users. Pods' are pod-changes'. */
import { jsonEqual, type JsonObject, objectOr } from "./json.ts";
import { type KindDefinition, kindKey } from "./kind.ts";
import { podChangeFaults } from "./pod-changes.ts";
import { type FieldFault, invalidValue } from "./refusal.ts";
import type { WorkingObject } from "./working-object.ts";

/** Fixed fields by kind: dotted paths. */
const fixedFields: Readonly<Record<string, readonly string[]>> = {
  "deployments.apps": ["spec.selector"],
  "replicasets.apps": ["spec.selector"],
  "daemonsets.apps": ["spec.selector"],
  "statefulsets.apps": [
    "spec.selector",
    "spec.serviceName",
    "spec.podManagementPolicy",
    "spec.volumeClaimTemplates",
  ],
  "jobs.batch": ["spec.selector", "spec.completionMode"],
  "endpointslices.discovery.k8s.io": ["addressType"],
  "customresourcedefinitions.apiextensions.k8s.io": ["spec.names.plural", "spec.names.kind"],
};

/** Faults of a change of an object, but for its status. */
export function fixedFaults(
  kind: KindDefinition,
  next: WorkingObject,
  old: WorkingObject,
): readonly FieldFault[] {
  if (kind.isCustom) return [];
  const key = kindKey(kind.group, kind.resource);
  if (key === "pods.") return podChangeFaults(objectOr(next["spec"]), objectOr(old["spec"]));
  const fields = Object.hasOwn(fixedFields, key) ? (fixedFields[key] ?? []) : [];
  const faults = fields.flatMap((field) => fixedFault(field, next, old));
  return key === "jobs.batch" ? [...faults, ...jobFaults(next, old)] : faults;
}

function fixedFault(field: string, next: JsonObject, old: JsonObject): readonly FieldFault[] {
  const value = valueAt(next, field);
  if (jsonEqual(value, valueAt(old, field))) return [];
  return [invalidValue(field, value ?? null, "field is immutable")];
}

function valueAt(object: JsonObject, field: string): unknown {
  return field.split(".").reduce<unknown>((value, name) => objectOr(value)[name], object);
}

/** A Job's template may be tuned while nothing runs of it, its completions while it is indexed and they are its parallelism. */
function jobFaults(next: WorkingObject, old: WorkingObject): readonly FieldFault[] {
  const [spec, oldSpec] = [objectOr(next["spec"]), objectOr(old["spec"])];
  const isElastic =
    spec["completionMode"] === "Indexed" && jsonEqual(spec["completions"], spec["parallelism"]);
  const completions = isElastic ? [] : fixedFault("spec.completions", next, old);
  const isWaiting = oldSpec["suspend"] === true && objectOr(old["status"])["startTime"] === undefined;
  const [template, oldTemplate] = [objectOr(spec["template"]), objectOr(oldSpec["template"])];
  if (!isWaiting) return [...completions, ...fixedFault("spec.template", next, old)];
  if (jsonEqual(untuned(template), untuned(oldTemplate))) return completions;
  return [...completions, invalidValue("spec.template.spec", template["spec"], "field is immutable")];
}

/** Of a template, what may not be tuned. */
function untuned(template: JsonObject): JsonObject {
  const { labels: _labels, annotations: _annotations, ...metadata } = objectOr(template["metadata"]);
  const {
    nodeSelector: _nodes,
    affinity: _affinity,
    tolerations: _tolerations,
    schedulingGates: _gates,
    ...spec
  } = objectOr(template["spec"]);
  return { metadata, spec };
}

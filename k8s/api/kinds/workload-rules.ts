/** What the API demands of the kinds that make Pods: a selector that fits the template, a template whose Pods may be. */
import { arrayOr, isJsonObject, type JsonObject, objectOr, textOr, textsOf } from "../json.ts";
import type { KindRules } from "../kind.ts";
import { type FieldFault, invalidValue, requiredValue, unsupportedValue } from "../refusal.ts";
import type { WorkingObject } from "../working-object.ts";
import { specOf } from "./columns.ts";
import { podSpecFaults } from "./pod-checks.ts";

/** The rules of a kind whose Pods run for ever. @param status What is known of a new one. */
export function workloadRules(kind: string, status: JsonObject = {}): KindRules {
  const faults = (object: WorkingObject): readonly FieldFault[] => {
    const spec = specOf(object);
    return [
      ...countFaults(spec["replicas"], "spec.replicas"),
      ...selectorFaults(spec, kind),
      ...templateFaults(spec, ["Always"]),
    ];
  };
  return {
    onCreate(object) {
      object["status"] = structuredClone(status);
      return faults(object);
    },
    onUpdate: faults,
  };
}

/** The rules of Jobs: their selector is made for them, unless they ask to choose it. */
export const jobRules: KindRules = {
  onCreate(job) {
    job["status"] = {};
    const spec = specOf(job);
    if (spec["manualSelector"] !== true) selectByUid(job, spec);
    return [...countFaults(spec["parallelism"], "spec.parallelism"), ...jobTemplateFaults(spec)];
  },
  onUpdate: (job) => jobTemplateFaults(specOf(job)),
};

const uidLabel = "batch.kubernetes.io/controller-uid";

function selectByUid(job: WorkingObject, spec: JsonObject): void {
  const { uid, name } = job.metadata;
  const template = objectOr(spec["template"]);
  const metadata = objectOr(template["metadata"]);
  const labels = { ...objectOr(metadata["labels"]) };
  // The names without a prefix are the older ones, which clients still select by.
  for (const prefix of ["", "batch.kubernetes.io/"]) {
    labels[`${prefix}controller-uid`] = uid;
    labels[`${prefix}job-name`] = name;
  }
  spec["template"] = { ...template, metadata: { ...metadata, labels } };
  const selector = objectOr(spec["selector"]);
  spec["selector"] = { ...selector, matchLabels: { ...objectOr(selector["matchLabels"]), [uidLabel]: uid } };
}

function jobTemplateFaults(spec: JsonObject): readonly FieldFault[] {
  return templateFaults(spec, ["OnFailure", "Never"]);
}

function countFaults(value: unknown, field: string): readonly FieldFault[] {
  if (typeof value !== "number" || value >= 0) return [];
  return [invalidValue(field, value, "must be greater than or equal to 0")];
}

function templateFaults(spec: JsonObject, restartPolicies: readonly string[]): readonly FieldFault[] {
  const field = "spec.template.spec";
  const pod = specOf(objectOr(spec["template"]));
  const policy = textOr(pod["restartPolicy"]);
  const faults = podSpecFaults(pod, field);
  if (restartPolicies.includes(policy)) return faults;
  return [...faults, unsupportedValue(`${field}.restartPolicy`, policy, restartPolicies)];
}

function selectorFaults(spec: JsonObject, kind: string): readonly FieldFault[] {
  const selector = spec["selector"];
  if (!isJsonObject(selector)) return [requiredValue("spec.selector")];
  const isEmpty =
    Object.keys(objectOr(selector["matchLabels"])).length + arrayOr(selector["matchExpressions"]).length ===
    0;
  if (isEmpty) return [invalidValue("spec.selector", {}, `empty selector is invalid for ${kind}`)];
  const labels = objectOr(objectOr(objectOr(spec["template"])["metadata"])["labels"]);
  if (isSelected(labels, selector)) return [];
  const why = "`selector` does not match template `labels`";
  return [invalidValue("spec.template.metadata.labels", labels, why)];
}

function isSelected(labels: JsonObject, selector: JsonObject): boolean {
  const { matchLabels, matchExpressions } = selector;
  return (
    Object.entries(objectOr(matchLabels)).every(([name, value]) => labels[name] === value) &&
    arrayOr(matchExpressions).every((expression) => isMet(labels, objectOr(expression)))
  );
}

function isMet(labels: JsonObject, expression: JsonObject): boolean {
  const value = labels[textOr(expression["key"])];
  const values = textsOf(expression["values"]);
  switch (expression["operator"]) {
    case "In":
      return value !== undefined && values.includes(textOr(value));
    case "NotIn":
      return value === undefined || !values.includes(textOr(value));
    case "Exists":
      return value !== undefined;
    default:
      return value === undefined;
  }
}

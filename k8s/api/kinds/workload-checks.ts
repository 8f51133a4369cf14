/** What the kinds that make Pods must keep to by themselves: a selector that fits the template, a template whose Pods may be. */
import { arrayOr, isJsonObject, type JsonObject, objectOr, textOr, textsOf } from "../json.ts";
import type { ObjectCheck } from "../kind.ts";
import {
  type FieldFault,
  forbiddenField,
  invalidValue,
  requiredValue,
  unsupportedValue,
} from "../refusal.ts";
import { specOf } from "./columns.ts";
import { podSpecFaults } from "./pod-checks.ts";

const templateField = "spec.template.spec";

/** The check of a kind whose Pods run for ever. */
export function workloadCheck(kind: string): ObjectCheck {
  return (object) => {
    const spec = specOf(object);
    return [
      ...countFaults(spec["replicas"], "spec.replicas"),
      ...selectorFaults(spec, kind),
      ...strategyFaults(objectOr(spec["strategy"])),
      ...claimFaults(spec["volumeClaimTemplates"]),
      ...podSpecFaults(templateOf(spec), templateField),
      ...foreverFaults(templateOf(spec)["restartPolicy"]),
    ];
  };
}

/** The check of Jobs. */
export const jobCheck: ObjectCheck = (job) => {
  const spec = specOf(job);
  const policy = textOr(templateOf(spec)["restartPolicy"]);
  const isEnding = policy === "OnFailure" || policy === "Never";
  const why = 'valid values: "OnFailure", "Never"';
  return [
    ...countFaults(spec["parallelism"], "spec.parallelism"),
    ...countFaults(spec["completions"], "spec.completions"),
    ...countFaults(spec["backoffLimit"], "spec.backoffLimit"),
    ...podSpecFaults(templateOf(spec), templateField),
    ...(isEnding ? [] : [requiredValue(`${templateField}.restartPolicy`, why)]),
  ];
};

function templateOf(spec: JsonObject): JsonObject {
  return specOf(objectOr(spec["template"]));
}

/** Rather than Pods that wait for ever for volumes that nobody makes. */
function claimFaults(claims: unknown): readonly FieldFault[] {
  if (arrayOr(claims).length === 0) return [];
  const why = "persistent volumes are not served here: use emptyDir, or hostPath where the node allows it";
  return [forbiddenField("spec.volumeClaimTemplates", why)];
}

function countFaults(value: unknown, field: string): readonly FieldFault[] {
  if (typeof value !== "number" || value >= 0) return [];
  return [invalidValue(field, value, "must be greater than or equal to 0")];
}

function foreverFaults(policy: unknown): readonly FieldFault[] {
  return policy === "Always" ? [] : [unsupportedValue(`${templateField}.restartPolicy`, policy, ["Always"])];
}

function isNone(bound: unknown): boolean {
  return bound === 0 || bound === "0%";
}

/** A rolling update that may neither add nor remove a Pod never ends. */
function strategyFaults(strategy: JsonObject): readonly FieldFault[] {
  const { maxSurge, maxUnavailable } = objectOr(strategy["rollingUpdate"]);
  if (!isNone(maxSurge) || !isNone(maxUnavailable)) return [];
  const field = "spec.strategy.rollingUpdate.maxUnavailable";
  return [invalidValue(field, maxUnavailable, "may not be 0 when `maxSurge` is 0")];
}

function selectorFaults(spec: JsonObject, kind: string): readonly FieldFault[] {
  const { selector } = spec;
  const { labels } = objectOr(objectOr(spec["template"])["metadata"]);
  const why = "`selector` does not match template `labels`";
  const mismatch = invalidValue("spec.template.metadata.labels", labels ?? null, why);
  if (!isJsonObject(selector)) return [requiredValue("spec.selector"), mismatch];
  const labelsAsked = Object.keys(objectOr(selector["matchLabels"])).length;
  if (labelsAsked + arrayOr(selector["matchExpressions"]).length === 0) {
    return [invalidValue("spec.selector", {}, `empty selector is invalid for ${kind}`)];
  }
  return isSelected(objectOr(labels), selector) ? [] : [mismatch];
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

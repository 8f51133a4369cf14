/** Whether a Pod may run on a node: selectors, required affinity, taints. What a node has room for is not asked. */
import type { NodeRequirement, NodeSelectorTerm, PodSpec, Toleration } from "../../model/pod.ts";
import type { NodeObject, Taint } from "../../model/node.ts";

/** What of a Pod decides where it may run. */
export type Placement = Pick<PodSpec, "nodeSelector" | "affinity" | "tolerations">;

/** Why a node is not for a Pod, as the scheduler says it. */
export type Misfit =
  | { readonly kind: "selector" }
  | { readonly kind: "taint"; readonly taint: Taint }
  | { readonly kind: "unschedulable" };

const unschedulableTaint: Taint = { key: "node.kubernetes.io/unschedulable", effect: "NoSchedule" };

/** What is against it, if anything. */
export function findMisfit(placement: Placement, node: NodeObject): Misfit | undefined {
  const tolerations = placement.tolerations ?? [];
  const isCordoned = node.spec?.unschedulable === true;
  if (isCordoned && !isTolerated(unschedulableTaint, tolerations)) return { kind: "unschedulable" };
  const taint = untolerated(node, tolerations, ["NoSchedule", "NoExecute"]);
  if (taint !== undefined) return { kind: "taint", taint };
  return isWished(placement, node) ? undefined : { kind: "selector" };
}

/** The first taint of an effect that the tolerations do not bear. */
export function untolerated(
  { spec }: NodeObject,
  tolerations: readonly Toleration[],
  effects: readonly Taint["effect"][],
): Taint | undefined {
  return (spec?.taints ?? []).find(
    (taint) => effects.includes(taint.effect) && !isTolerated(taint, tolerations),
  );
}

/** Whether the node has what the Pod's selector and required affinity ask for. */
export function isWished({ nodeSelector, affinity }: Placement, node: NodeObject): boolean {
  const { labels = {} } = node.metadata;
  const isSelected = Object.entries(nodeSelector ?? {}).every(([name, value]) => labels[name] === value);
  const required = affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
  if (!isSelected || required === undefined) return isSelected;
  return required.nodeSelectorTerms.some((term) => holds(term, node));
}

/** Whether one of the tolerations bears the taint. */
export function isTolerated(taint: Taint, tolerations: readonly Toleration[]): boolean {
  return tolerations.some(({ key, operator, value, effect }) => {
    if (effect !== undefined && effect !== taint.effect) return false;
    if (key !== undefined && key !== "" && key !== taint.key) return false;
    return operator === "Exists" || (value ?? "") === (taint.value ?? "");
  });
}

/** A term that asks for nothing holds nowhere. */
function holds({ matchExpressions = [], matchFields = [] }: NodeSelectorTerm, node: NodeObject): boolean {
  if (matchExpressions.length + matchFields.length === 0) return false;
  const { labels = {}, name } = node.metadata;
  const fields: Readonly<Record<string, string>> = { "metadata.name": name };
  return (
    matchExpressions.every((requirement) => meets(requirement, labels)) &&
    matchFields.every((requirement) => meets(requirement, fields))
  );
}

/** No label has such a value. */
const notThere = "\n";

function meets(
  { key, operator, values = [] }: NodeRequirement,
  has: Readonly<Record<string, string>>,
): boolean {
  const value = Object.hasOwn(has, key) ? has[key] : undefined;
  const bound = Number(values[0]);
  switch (operator) {
    case "In":
      return values.includes(value ?? notThere);
    case "NotIn":
      return !values.includes(value ?? notThere);
    case "Exists":
      return value !== undefined;
    case "DoesNotExist":
      return value === undefined;
    case "Gt":
      return Number(value) > bound;
    case "Lt":
      return Number(value) < bound;
  }
}

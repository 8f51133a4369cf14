/** LabelSelector objects, as specs have them, turned into demands on labels. Not the texts of queries. */
import { arrayOr, objectOr, textOr, textsOf } from "./json.ts";
import type { LabelSelector, Requirement } from "./label-selector.ts";

/** The demands of a LabelSelector object; none: everything matches. An operator that is none matches nothing. */
export function selectorOf(selector: unknown): LabelSelector {
  const { matchLabels, matchExpressions } = objectOr(selector);
  const equalities = Object.entries(objectOr(matchLabels)).map(([label, value]): Requirement => ({
    kind: "in",
    label,
    values: [textOr(value)],
  }));
  return [...equalities, ...arrayOr(matchExpressions).map(objectOr).map(requirementOf)];
}

function requirementOf(expression: { readonly [field: string]: unknown }): Requirement {
  const label = textOr(expression["key"]);
  const values = textsOf(expression["values"]);
  switch (expression["operator"]) {
    case "In":
      return { kind: "in", label, values };
    case "NotIn":
      return { kind: "notin", label, values };
    case "Exists":
      return { kind: "exists", label };
    case "DoesNotExist":
      return { kind: "absent", label };
    default:
      return { kind: "in", label, values: [] };
  }
}

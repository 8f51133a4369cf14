/** Label selectors as in queries, `a=b,c!=d,e in (f,g),h notin (i),j,!k`: parsed and matched. Not the selector objects of specs. */
import { err, ok, type Result } from "#core/result.ts";

/** One demand on labels; all of a selector's must hold. */
export type Requirement =
  | { readonly kind: "exists" | "absent"; readonly label: string }
  | { readonly kind: "in" | "notin"; readonly label: string; readonly values: readonly string[] };

/** All demands; none: everything matches. */
export type LabelSelector = readonly Requirement[];

/** Longest selector that is read: more is no query anybody wrote. */
const selectorLengthMax = 64 * 1024;

const namePart = /^[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/;
const prefixPart = /^[a-z0-9](?:[-a-z0-9.]*[a-z0-9])?$/;

/** Whether a text can be a label's name, `app` or `example.com/app`. */
export function isLabelName(text: string): boolean {
  const slash = text.indexOf("/");
  if (slash < 0) return namePart.test(text);
  const prefix = text.slice(0, slash);
  return prefix.length <= 253 && prefixPart.test(prefix) && namePart.test(text.slice(slash + 1));
}

/** Whether a text can be a label's value; it may be empty. */
export function isLabelValue(text: string): boolean {
  return text === "" || namePart.test(text);
}

/** Reads a selector. */
export function parseLabelSelector(text: string): Result<LabelSelector> {
  if (text.length > selectorLengthMax) {
    return err(`Cannot read a label selector of at most ${selectorLengthMax} characters: got ${text.length}`);
  }
  if (text.trim() === "") return ok([]);
  const requirements: Requirement[] = [];
  for (const part of splitOutsideParentheses(text)) {
    const requirement = parseRequirement(part.trim());
    if (!requirement.ok) return requirement;
    requirements.push(requirement.value);
  }
  return ok(requirements);
}

/** Whether labels meet every demand. */
export function matchesLabels(
  selector: LabelSelector,
  labels: Readonly<Record<string, string>> | undefined,
): boolean {
  return selector.every((requirement) => meets(requirement, labels));
}

function meets(requirement: Requirement, labels: Readonly<Record<string, string>> | undefined): boolean {
  const value =
    labels !== undefined && Object.hasOwn(labels, requirement.label) ? labels[requirement.label] : undefined;
  switch (requirement.kind) {
    case "exists":
      return value !== undefined;
    case "absent":
      return value === undefined;
    case "in":
      return value !== undefined && requirement.values.includes(value);
    case "notin":
      return value === undefined || !requirement.values.includes(value);
  }
}

function splitOutsideParentheses(text: string): readonly string[] {
  const parts: string[] = [];
  let depth = 0;
  let start = 0;
  for (let i = 0; i < text.length; i++) {
    const char = text[i];
    if (char === "(") depth++;
    else if (char === ")") depth--;
    else if (char === "," && depth <= 0) {
      parts.push(text.slice(start, i));
      start = i + 1;
    }
  }
  parts.push(text.slice(start));
  return parts;
}

function parseRequirement(text: string): Result<Requirement> {
  if (text.startsWith("!")) return existence("absent", text.slice(1).trim(), text);
  const set = /^(\S+)\s+(in|notin)\s*\(([^()]*)\)$/.exec(text);
  if (set !== null) {
    const values = (set[3] ?? "").split(",").map((value) => value.trim());
    return comparison(set[2] === "in" ? "in" : "notin", set[1] ?? "", values);
  }
  const comparisonAt = /!=|==|=/.exec(text);
  if (comparisonAt === null) return existence("exists", text, text);
  const label = text.slice(0, comparisonAt.index).trim();
  const value = text.slice(comparisonAt.index + comparisonAt[0].length).trim();
  return comparison(comparisonAt[0] === "!=" ? "notin" : "in", label, [value]);
}

function existence(kind: "exists" | "absent", label: string, text: string): Result<Requirement> {
  return isLabelName(label) ? ok({ kind, label }) : cannotRead(text);
}

function comparison(kind: "in" | "notin", label: string, values: readonly string[]): Result<Requirement> {
  if (!isLabelName(label)) return cannotRead(label);
  const wrong = values.find((value) => !isLabelValue(value));
  return wrong === undefined ? ok({ kind, label, values }) : cannotRead(wrong);
}

function cannotRead(part: string): Result<Requirement> {
  return err(
    `Cannot read a label selector as name=value, name!=value, name in (…), name notin (…), name or !name: ${JSON.stringify(part.slice(0, 80))}`,
  );
}

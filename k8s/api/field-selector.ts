/** Field selectors as in queries: the two fields every kind has, `metadata.name` and `metadata.namespace`. */
import { err, ok, type Result } from "#core/result.ts";

/** One demand on a field. */
export interface FieldRequirement {
  readonly field: "metadata.name" | "metadata.namespace";
  readonly equal: boolean;
  readonly value: string;
}

/** All demands; none: everything matches. */
export type FieldSelector = readonly FieldRequirement[];

/** Reads a selector. */
export function parseFieldSelector(text: string): Result<FieldSelector> {
  const requirements: FieldRequirement[] = [];
  for (const part of text.split(",")) {
    if (part.trim() === "") continue;
    const match = /^\s*([^=!\s]+)\s*(!=|==|=)\s*(.*?)\s*$/.exec(part);
    if (match === null) {
      return err(
        `invalid field selector: ${JSON.stringify(part.slice(0, 80))}; write name=value or name!=value`,
      );
    }
    const [, field = "", operator, value = ""] = match;
    if (field !== "metadata.name" && field !== "metadata.namespace") {
      return err(`field label not supported: ${field.slice(0, 80)}`);
    }
    requirements.push({ field, equal: operator !== "!=", value });
  }
  return ok(requirements);
}

/** Whether an object's name and namespace meet every demand. */
export function matchesFields(selector: FieldSelector, name: string, namespace: string): boolean {
  return selector.every((requirement) => {
    const actual = requirement.field === "metadata.name" ? name : namespace;
    return (actual === requirement.value) === requirement.equal;
  });
}

/** The one name a selector admits, when it demands one. */
export function selectedName(selector: FieldSelector): string | undefined {
  return selector.find((requirement) => requirement.field === "metadata.name" && requirement.equal)?.value;
}

/** The columns and cells that recur in the tables of the built-in kinds. */
import { humanDuration } from "../human-duration.ts";
import { arrayOr, type JsonObject, objectOr, textOr, textsOf } from "../json.ts";
import type { PrinterColumn } from "../kind.ts";
import type { WorkingObject } from "../working-object.ts";

/** How long ago it was made. */
export const age: PrinterColumn = { name: "Age", type: "date", jsonPath: ".metadata.creationTimestamp" };

/** When it was made. */
export const createdAt: PrinterColumn = {
  name: "Created At",
  type: "date",
  jsonPath: "",
  cell: (object) => object.metadata.creationTimestamp,
};

/** A column of text from a path. */
export function text(name: string, jsonPath: string): PrinterColumn {
  return { name, type: "string", jsonPath };
}

/** A column of text that is worked out. */
export function worked(
  name: string,
  cell: (object: WorkingObject, nowMs: number) => string | number,
): PrinterColumn {
  return { name, type: "string", jsonPath: "", cell };
}

/** A column of numbers that are worked out. */
export function count(name: string, cell: (object: WorkingObject) => number): PrinterColumn {
  return { name, type: "integer", jsonPath: "", cell };
}

/** A column that only `-o wide` shows. */
export function wide(column: PrinterColumn): PrinterColumn {
  return { ...column, priority: 1 };
}

/** The spec of an object. */
export function specOf(object: JsonObject): JsonObject {
  return objectOr(object["spec"]);
}

/** The status of an object. */
export function statusOf(object: JsonObject): JsonObject {
  return objectOr(object["status"]);
}

/** A number of an object, 0 when it is not told. */
export function numberOr0(value: unknown): number {
  return typeof value === "number" ? value : 0;
}

/** The condition of a type, when there is one. */
export function conditionOf(object: JsonObject, type: string): JsonObject | undefined {
  return arrayOr(statusOf(object)["conditions"])
    .map(objectOr)
    .find((condition) => condition["type"] === type);
}

/** Whether a condition holds. */
export function isTrue(object: JsonObject, type: string): boolean {
  return conditionOf(object, type)?.["status"] === "True";
}

/** How long ago an instant was, in the words of tables. */
export function since(instant: unknown, nowMs: number): string {
  const atMs = Date.parse(textOr(instant));
  return Number.isNaN(atMs) ? "<unknown>" : humanDuration((nowMs - atMs) / 1000);
}

/** `a=b,c=d` of a map of labels, `<none>` of none. */
export function labelsText(labels: unknown): string {
  const pairs = Object.entries(objectOr(labels)).map(([name, value]) => `${name}=${textOr(value)}`);
  return pairs.sort().join(",") || "<none>";
}

/** A LabelSelector as it is written in a query, empty when it demands nothing. */
export function selectorText(selector: unknown): string {
  const { matchLabels, matchExpressions } = objectOr(selector);
  const demands: (readonly [key: string, text: string])[] = [
    ...Object.entries(objectOr(matchLabels)).map(([key, value]) => [key, `${key}=${textOr(value)}`] as const),
    ...arrayOr(matchExpressions).map(objectOr).map(expressionText),
  ];
  return demands
    .sort(([left], [right]) => (left < right ? -1 : 1))
    .map(([, demand]) => demand)
    .join(",");
}

function expressionText(expression: JsonObject): readonly [key: string, text: string] {
  const key = textOr(expression["key"]);
  const values = [...textsOf(expression["values"])].sort().join(",");
  switch (expression["operator"]) {
    case "In":
      return [key, `${key} in (${values})`];
    case "NotIn":
      return [key, `${key} notin (${values})`];
    case "DoesNotExist":
      return [key, `!${key}`];
    default:
      return [key, key];
  }
}

/** The first three of many, and how many more. */
export function fewOf(values: readonly string[]): string {
  if (values.length === 0) return "<unset>";
  const shown = values.slice(0, 3).join(",");
  return values.length > 3 ? `${shown} + ${values.length - 3} more...` : shown;
}

/** Functions on lists that Kubernetes adds to CEL: its lists library, and sets. */
import type { Environment } from "@marcbachmann/cel-js";
import { valuesEqual } from "./values-equal.ts";

type List = readonly unknown[];
type Orderable = bigint | number | string | boolean | Date;

/** What stands for `sets` in `sets.contains(…)`. */
class SetsNamespace {
  readonly name = "sets";
}

/** Registers them. */
export function registerListFunctions(registry: Environment): void {
  registry.registerFunction("list.isSorted(): bool", (list: List) =>
    list.every((item, index) => index === 0 || !isLess(item, list[index - 1])),
  );
  for (const type of ["int", "double"] as const) {
    registry.registerFunction(`list<${type}>.sum(): ${type}`, type === "int" ? sumOfWhole : sumOfNumbers);
  }
  for (const type of ["int", "double", "string", "bool", "google.protobuf.Timestamp"]) {
    registry.registerFunction(`list<${type}>.min(): ${type}`, (list: List) => extreme(list, "min"));
    registry.registerFunction(`list<${type}>.max(): ${type}`, (list: List) => extreme(list, "max"));
  }
  registry.registerFunction("list.indexOf(dyn): int", (list: List, wanted: unknown) =>
    BigInt(list.findIndex((item) => valuesEqual(item, wanted))),
  );
  registry.registerFunction("list.lastIndexOf(dyn): int", (list: List, wanted: unknown) =>
    BigInt(list.findLastIndex((item) => valuesEqual(item, wanted))),
  );
  registry.registerType("SetsNamespace", SetsNamespace);
  registry.registerConstant("sets", "SetsNamespace", new SetsNamespace());
  registry.registerFunction(
    "SetsNamespace.contains(list, list): bool",
    (_: unknown, list: List, part: List) => hasAll(list, part),
  );
  registry.registerFunction(
    "SetsNamespace.equivalent(list, list): bool",
    (_: unknown, left: List, right: List) => hasAll(left, right) && hasAll(right, left),
  );
  registry.registerFunction(
    "SetsNamespace.intersects(list, list): bool",
    (_: unknown, left: List, right: List) => left.some((item) => has(right, item)),
  );
}

function extreme(list: List, which: "min" | "max"): unknown {
  if (list.length === 0) throw new Error(`${which} called on empty list`);
  return list.reduce((best, item) => (isLess(item, best) === (which === "min") ? item : best));
}

/** Sound: lists are of one type, and the types that have an order are these. */
function isLess(left: unknown, right: unknown): boolean {
  return (left as Orderable) < (right as Orderable);
}

function sumOfWhole(list: readonly bigint[]): bigint {
  return list.reduce((sum, item) => sum + item, 0n);
}

function sumOfNumbers(list: readonly number[]): number {
  return list.reduce((sum, item) => sum + item, 0);
}

function has(list: List, wanted: unknown): boolean {
  return list.some((item) => valuesEqual(item, wanted));
}

function hasAll(list: List, wanted: List): boolean {
  return wanted.every((item) => has(list, item));
}

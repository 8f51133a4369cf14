import { expect, test } from "bun:test";
import { podObject } from "../../../tests/support/workload-objects.ts";
import type { LabelSelectorSpec } from "../../model/selector.ts";
import { isSelected } from "./owned.ts";
import { templateHash } from "./template-hash.ts";

const pod = podObject("a", { labels: { app: "web", tier: "front" } });
const expression = (
  key: string,
  operator: "In" | "NotIn" | "Exists" | "DoesNotExist",
  ...values: string[]
) => ({
  matchExpressions: [{ key, operator, ...(values.length === 0 ? {} : { values }) }],
});

test.each<[string, LabelSelectorSpec, boolean]>([
  ["nothing", {}, false],
  ["a label", { matchLabels: { app: "web" } }, true],
  ["another value", { matchLabels: { app: "db" } }, false],
  ["two labels, one of them another", { matchLabels: { app: "web", tier: "back" } }, false],
  ["a value among others", expression("app", "In", "web", "db"), true],
  ["a value not among others", expression("app", "NotIn", "web"), false],
  ["a label that is there", expression("tier", "Exists"), true],
  ["a label that is not", expression("tier", "DoesNotExist"), false],
  ["a label that is not there, as wished", expression("team", "DoesNotExist"), true],
])("a selector of %s", (_case, selector, want) => {
  expect(isSelected(selector, pod)).toBe(want);
});

test("templateHash() is the same for the same value in any order, another for another and after a collision", () => {
  const hash = templateHash({ a: 1, b: 2 });
  expect(templateHash({ b: 2, a: 1 })).toBe(hash);
  expect(templateHash({ a: 1, b: 3 })).not.toBe(hash);
  expect(templateHash({ a: 1, b: 2 }, 1)).not.toBe(hash);
  expect(hash).toMatch(/^[bcdfghjklmnpqrstvwxz2456789]{1,10}$/);
});

import { expect, test } from "bun:test";
import { expandVariables } from "./expand.ts";

const values = new Map([
  ["A", "one"],
  ["B", "$(A)"],
  ["EMPTY", ""],
]);

test.each([
  ["nothing to expand", "plain", "plain"],
  ["a name", "x-$(A)-y", "x-one-y"],
  ["a value that looks like a name", "$(B)", "$(A)"],
  ["an empty value", "[$(EMPTY)]", "[]"],
  ["a name without a value", "$(NONE)", "$(NONE)"],
  ["an escaped name", "$$(A)", "$(A)"],
  ["two escapes", "$$$$(A)", "$$(A)"],
  ["an escape before a name", "$$$(A)", "$one"],
  ["a name that never ends", "$(A", "$(A"],
  ["a lone dollar sign", "5$ and $A", "5$ and $A"],
])("expandVariables() takes %s", (_name, text, want) => {
  expect(expandVariables(text, values)).toBe(want);
});

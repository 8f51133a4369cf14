/** Field selectors: the two fields every kind has. */
import { expect, test } from "bun:test";
import { matchesFields, parseFieldSelector, selectedName } from "./field-selector.ts";

test.each([
  ["", "web", "shop", true],
  ["metadata.name=web", "web", "shop", true],
  ["metadata.name==web", "web", "shop", true],
  ["metadata.name!=web", "web", "shop", false],
  ["metadata.namespace=shop", "web", "shop", true],
  ["metadata.namespace=shop,metadata.name=db", "web", "shop", false],
])("matchesFields(%p, %p, %p) is %p", (text, name, namespace, want) => {
  const selector = parseFieldSelector(text);
  expect(selector.ok && matchesFields(selector.value, name, namespace)).toBe(want);
});

test.each(["spec.nodeName=a", "metadata.name", "=a", "metadata.name>a"])(
  "parseFieldSelector() refuses %p",
  (text) => {
    expect(parseFieldSelector(text).ok).toBeFalse();
  },
);

function nameOf(text: string): string | undefined {
  const selector = parseFieldSelector(text);
  return selector.ok ? selectedName(selector.value) : undefined;
}

test("selectedName() is the one name that is demanded", () => {
  expect(nameOf("metadata.name=web,metadata.namespace=shop")).toBe("web");
  expect(nameOf("metadata.name!=web")).toBeUndefined();
});

/** Field selectors: how they are read, what they match, what each kind has. */
import { expect, test } from "bun:test";
import { assert, property, string } from "fast-check";
import { matchesFields, parseFieldSelector, selectedName } from "./field-selector.ts";

const pod = { name: "web", namespace: "shop", fields: { "status.phase": "Running", "spec.nodeName": "" } };

test.each([
  ["", true],
  ["metadata.name=web", true],
  ["metadata.name==web", true],
  ["metadata.name!=web", false],
  ["metadata.namespace=shop", true],
  ["metadata.namespace=shop,metadata.name=db", false],
  ["status.phase=Running", true],
  ["status.phase!=Running", false],
  ["spec.nodeName=", true],
  ["spec.nodeName!=", false],
  ["status.podIP=", true],
  ["status.phase=Run\\,ning", false],
])("%p matches: %p", (text, want) => {
  const selector = parseFieldSelector(text);
  expect(selector.ok && matchesFields(selector.value, pod)).toBe(want);
});

test.each([
  ["metadata.name", "invalid selector: 'metadata.name'; can't understand 'metadata.name'"],
  ["a=b,,c", "invalid selector: 'a=b,,c'; can't understand 'c'"],
  ["metadata.name>a", "invalid selector: 'metadata.name>a'; can't understand 'metadata.name>a'"],
  ["a=b\\", "invalid field selector: invalid escape sequence: \\"],
  ["a=\\b", "invalid field selector: invalid escape sequence: \\b"],
])("%p is refused", (text, error) => {
  expect(parseFieldSelector(text)).toEqual({ ok: false, error });
});

test("a comma, an equals sign and a backslash are written after a backslash", () => {
  expect(parseFieldSelector("a=b\\,c\\=d\\\\,e!=f")).toEqual({
    ok: true,
    value: [
      { field: "a", equal: true, value: "b,c=d\\" },
      { field: "e", equal: false, value: "f" },
    ],
  });
});

function nameOf(text: string): string | undefined {
  const selector = parseFieldSelector(text);
  return selector.ok ? selectedName(selector.value) : undefined;
}

test("selectedName() is the one name that is demanded", () => {
  expect(nameOf("metadata.name=web,metadata.namespace=shop")).toBe("web");
  expect(nameOf("metadata.name!=web")).toBeUndefined();
});

test("parseFieldSelector() finds an answer for whatever comes", () => {
  assert(
    property(string(), (text) => {
      const selector = parseFieldSelector(text);
      if (selector.ok) matchesFields(selector.value, pod);
    }),
  );
});

/** What is a name, in tables; the texts are compared with a real server's by the contract suite. */
import { expect, test } from "bun:test";
import { keyFaultTexts, labelValueFaultTexts, nameFaultTexts } from "./name-rules.ts";

const long = "a".repeat(64);
const veryLong = "a".repeat(254);

test.each([
  ["subdomain", "a", 0],
  ["subdomain", "a.b-c.1", 0],
  ["subdomain", "A", 1],
  ["subdomain", "a..b", 1],
  ["subdomain", "-a", 1],
  ["subdomain", veryLong, 1],
  ["label", "1a", 0],
  ["label", "a.b", 1],
  ["label", "a_", 1],
  ["label", long, 1],
  ["label", `${long}_`, 2],
  ["path-segment", "a:b c", 0],
  ["path-segment", "..", 1],
  ["path-segment", "a/%", 2],
] as const)("nameFaultTexts(%p, %p) are %p", (form, name, count) => {
  expect(nameFaultTexts(form, name)).toHaveLength(count);
});

test("a name with dots is told so where it is otherwise one", () => {
  expect(nameFaultTexts("label", "a.b")).toEqual(["must not contain dots"]);
  expect(nameFaultTexts("label", "a.B")[0]).toStartWith("a lowercase RFC 1123 label");
});

test.each([
  ["a", []],
  ["example.com/My_name.1", []],
  ["", ["name part must be non-empty", /^name part must consist/]],
  ["/a", ["prefix part must be non-empty"]],
  ["A_/b", [/^prefix part a lowercase RFC 1123 subdomain/]],
  [`${veryLong}/b`, ["prefix part must be no more than 253 bytes"]],
  ["a/b/c", [/^a valid label key must consist/]],
  [long, ["name part must be no more than 63 bytes"]],
  ["-a", [/^name part must consist/]],
])("keyFaultTexts(%p) are %p", (key, want) => {
  const texts = keyFaultTexts(key);
  expect(texts).toHaveLength(want.length);
  for (const [index, text] of want.entries()) expect(texts[index]).toMatch(text);
});

test.each([
  ["", 0],
  ["a_b.C-1", 0],
  ["-a", 1],
  ["a b", 1],
  [long, 1],
  [`${long} `, 2],
])("labelValueFaultTexts(%p) are %p", (value, count) => {
  expect(labelValueFaultTexts(value)).toHaveLength(count);
});

/** Fields that a text has twice. */
import { expect, test } from "bun:test";
import * as fc from "fast-check";
import { duplicateFields } from "./json-duplicates.ts";

test.each([
  ["{}", []],
  ['{"a":1,"b":{"a":1}}', []],
  ['{"a":1,"a":2}', ["a"]],
  ['{"a": {"b": 1, "c": "x", "b" : 2}}', ["a.b"]],
  ['{"a":[{"b":1},{"b":1,"c":[1,2],"b":2}]}', ["a[1].b"]],
  ['{"a":"}\\"","a":1}', ["a"]],
  ['{"a\\u0062":1,"ab":2}', ["ab"]],
  ['{"a":"\\\\","a":1}', ["a"]],
  ['{"a":["a","a"],"b":"a:"}', []],
] as const)("duplicateFields(%p)", (text, want) => {
  expect(duplicateFields(text)).toEqual([...want]);
});

test("duplicateFields() finds none in what JSON.stringify() wrote", () => {
  fc.assert(
    fc.property(fc.jsonValue(), fc.constantFrom(undefined, 2), (value, indent) => {
      expect(duplicateFields(JSON.stringify(value, null, indent))).toEqual([]);
    }),
  );
});

test("duplicateFields() tells sixteen at most", () => {
  expect(duplicateFields(`{${Array.from({ length: 50 }, () => '"a":1').join(",")}}`)).toHaveLength(16);
});

import { expect, test } from "bun:test";
import { outputOption, repeated, runDirOption, wholeNumber } from "./command-parts.ts";
import type { Console } from "./console.ts";

function consoleWith(env: Console["env"]): Console {
  return { out() {}, err() {}, env, cwd: "/", hasColour: false, hasErrorColour: false };
}

test.each([
  [{}, "/run/lambient"],
  [{ LAMBIENT_RUN_DIR: "/tmp/mesh" }, "/tmp/mesh"],
])("runDirOption() with %p", (env, want) => {
  expect(runDirOption(consoleWith(env)).defaultValue).toBe(want);
});

test("outputOption() is a table unless another form is asked for", () => {
  const { long, short, defaultValue, argChoices } = outputOption();
  expect({ long, short, defaultValue, argChoices }).toMatchObject({
    long: "--output",
    short: "-o",
    defaultValue: "table",
    argChoices: expect.arrayContaining(["table", "json"]),
  });
});

test.each([
  ["0", 0],
  ["007", 7],
  ["999999999", 999_999_999],
])("wholeNumber(%p)", (text, want) => {
  expect(wholeNumber(text)).toBe(want);
});

test.each(["", "-1", "1.5", "1e3", "0x10", " 1", "many", "1000000000"])(
  "wholeNumber(%p) is refused",
  (text) => {
    expect(() => wholeNumber(text)).toThrow("It must be a whole number.");
  },
);

test("repeated() keeps the order and what was given before", () => {
  const before = ["a"];
  expect(repeated("b", before)).toEqual(["a", "b"]);
  expect(before).toEqual(["a"]);
});

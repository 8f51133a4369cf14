import { expect, test } from "bun:test";
import type { Console } from "./console.ts";
import { formatAge, formatTable, printResult } from "./output.ts";

test("formatTable() aligns columns, colours and wide letters included", () => {
  const table = {
    head: ["NAME", "STATE", "N"],
    rows: [
      ["web", "\u001B[32mready\u001B[0m", "1"],
      ["价格", "x"],
    ],
  };
  expect(formatTable(table)).toBe("NAME  STATE  N\nweb   \u001B[32mready\u001B[0m  1\n价格  x\n");
});

test.each([
  [0, "0s"],
  [-5, "0s"],
  [119_999, "119s"],
  [120_000, "2m"],
  [7_200_000, "2h"],
  [172_800_000, "2d"],
] as const)("formatAge(%d) is %s", (milliseconds, want) => {
  expect(formatAge(milliseconds)).toBe(want);
});

test.each([
  ["json", '[\n  {\n    "a": 1\n  }\n]\n'],
  ["yaml", "- a: 1\n"],
  ["table", "the table\n"],
] as const)("printResult() as %s", (format, want) => {
  const said: string[] = [];
  const console: Console = {
    out: (text) => said.push(String(text)),
    err() {},
    env: {},
    cwd: "/",
    hasColour: false,
    hasErrorColour: false,
  };
  printResult(console, format, [{ a: 1 }], () => "the table\n");
  expect(said.join("")).toBe(want);
});

import { expect, test } from "bun:test";
import { type Console, paint, paintError, processConsole } from "./console.ts";

const plain: Console = {
  out() {},
  err() {},
  env: {},
  cwd: "/",
  hasColour: false,
  hasErrorColour: false,
};

test.each([
  ["good", "\u001B[32mok\u001B[0m"],
  ["bad", "\u001B[31mok\u001B[0m"],
  ["waiting", "\u001B[33mok\u001B[0m"],
  ["dim", "\u001B[2mok\u001B[0m"],
  ["strong", "\u001B[1mok\u001B[0m"],
] as const)("paint(%p) colours where a person reads", (colour, want) => {
  expect(paint({ ...plain, hasColour: true }, colour, "ok")).toBe(want);
  expect(paint({ ...plain, hasErrorColour: true }, colour, "ok")).toBe("ok");
  expect(paintError({ ...plain, hasErrorColour: true }, colour, "ok")).toBe(want);
  expect(paintError({ ...plain, hasColour: true }, colour, "ok")).toBe("ok");
});

test("a process's console is that of its streams", () => {
  const console = processConsole();
  console.out("");
  console.err("");
  expect({ cwd: console.cwd, env: console.env }).toEqual({ cwd: process.cwd(), env: process.env });
});

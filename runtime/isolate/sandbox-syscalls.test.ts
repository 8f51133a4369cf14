import { expect, test } from "bun:test";
import { syscallNumbers } from "#host/linux/syscalls.ts";
import { refusedSyscalls } from "./sandbox-refusals.ts";
import { bootPolicy, sealPolicy } from "./sandbox-syscalls.ts";

test("no call is both allowed and refused, but for the one by which the engine starts", () => {
  const allowed = bootPolicy.allowed.map(({ name }) => name);
  expect(Object.keys(refusedSyscalls).filter((name) => allowed.some((other) => other === name))).toEqual([
    "execveat",
  ]);
  expect(new Set(allowed).size).toBe(allowed.length);
});

test("what the start needs is refused once the engine is sealed", () => {
  expect(sealPolicy.refused.toSorted()).toEqual(["execve", "execveat", "seccomp"]);
});

test("every call has a number of its own", () => {
  const numbers = Object.values(syscallNumbers);
  expect(new Set<number>(numbers).size).toBe(numbers.length);
});

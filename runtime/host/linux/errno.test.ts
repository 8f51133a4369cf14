import { expect, test } from "bun:test";
import { errnoName, isErrno, LinuxError } from "./errno.ts";

test("LinuxError says what could not be done and why, with a code to switch on", () => {
  const error = new LinuxError("Cannot enter a namespace", 1);
  expect([error.message, error.errno, error.code]).toEqual([
    "Cannot enter a namespace: EPERM",
    "EPERM",
    "not-permitted",
  ]);
});

test("an unknown number is named by itself, and its code is io-failed", () => {
  expect([errnoName(4000), new LinuxError("Cannot", 4000).code]).toEqual(["errno 4000", "io-failed"]);
});

test("isErrno() knows our errors only", () => {
  expect([isErrno(new LinuxError("Cannot", 2), "ENOENT"), isErrno(new Error("ENOENT"), "ENOENT")]).toEqual([
    true,
    false,
  ]);
});

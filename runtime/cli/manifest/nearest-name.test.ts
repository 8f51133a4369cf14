import { expect, test } from "bun:test";
import { findNearestName } from "./nearest-name.ts";

const known = ["main", "engine", "revision", "env", "secrets", "bindings", "scale", "schedules"];

test.each([
  ["a letter missing", "scal", "scale"],
  ["two letters swapped", "mian", "main"],
  ["the singular", "schedule", "schedules"],
  ["another case", "Bindings", "bindings"],
  ["nothing alike", "favouriteColour", undefined],
  ["a short stranger", "x", undefined],
] as const)("findNearestName(): %s", (_, wanted, want) => {
  expect(findNearestName(wanted, known)).toBe(want);
});

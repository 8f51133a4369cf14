import { expect, test } from "bun:test";
import { parseDuration } from "./logs.ts";

test.each([
  ["90s", 90_000],
  ["10m", 600_000],
  ["2h", 7_200_000],
  ["1d", 86_400_000],
  ["5ms", 5],
] as const)("parseDuration(%p) is %d", (text, want) => {
  expect(parseDuration(text)).toBe(want);
});

test.each(["", "10", "m", "-1s", "1w", "1.5h"])("parseDuration(%p) is refused", (text) => {
  expect(() => parseDuration(text)).toThrow("as a duration: write 90s, 10m, 2h or 1d");
});

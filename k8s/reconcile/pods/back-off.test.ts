import { expect, test } from "bun:test";
import { type BackOff, defaultBackOffLimits as limits, earliestStartMs, nextBackOff } from "./back-off.ts";

test("a container that ends at once waits 0, 10, 20, … 300 seconds", () => {
  let backOff: BackOff | undefined;
  let nowMs = 0;
  const waits: number[] = [];
  for (let i = 0; i < 8; i++) {
    const startMs = earliestStartMs(backOff, nowMs, limits);
    waits.push((startMs - nowMs) / 1000);
    nowMs = startMs;
    backOff = nextBackOff(backOff, nowMs, limits);
  }
  expect(waits).toEqual([0, 10, 20, 40, 80, 160, 300, 300]);
});

test("ten minutes without trouble begin anew", () => {
  const backOff: BackOff = { delayMs: 300_000, setAtMs: 0 };
  expect(earliestStartMs(backOff, 600_000, limits)).toBe(900_000);
  expect(earliestStartMs(backOff, 600_001, limits)).toBe(600_001);
  expect(nextBackOff(backOff, 600_001, limits)).toEqual({ delayMs: 10_000, setAtMs: 600_001 });
});

import { expect, test } from "bun:test";
import { backoffMs } from "./backoff.ts";

const bounds = { firstMs: 250, mostMs: 10_000 };
test.each([
  [-1, 0],
  [0, 0],
  [1, 250],
  [2, 500],
  [6, 8000],
  [7, 10_000],
  [1e9, 10_000],
])("backoffMs() after %i failures is %i", (failures, want) => expect(backoffMs(bounds, failures)).toBe(want));

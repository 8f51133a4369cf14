import { expect, test } from "bun:test";
import { cpuMillis, parseQuantity } from "./quantity.ts";

test.each<[string | number | undefined, number | undefined]>([
  ["0", 0],
  ["128974848", 128974848],
  ["129e6", 129e6],
  ["1.5Gi", 1.5 * 2 ** 30],
  ["64Mi", 64 << 20],
  ["500m", 0.5],
  ["2k", 2000],
  ["1E", 1e18],
  [".5", 0.5],
  [3, 3],
  ["", undefined],
  ["Mi", undefined],
  ["1 Mi", undefined],
  ["1KiB", undefined],
  ["1e3Mi", undefined],
  [undefined, undefined],
])("parseQuantity(%p) is %p", (text, want) => {
  expect(parseQuantity(text)).toBe(want);
});

test.each<[string, number]>([
  ["1", 1000],
  ["100m", 100],
  ["0.1", 100],
  ["1500u", 2],
])("cpuMillis(%p) is %p", (text, want) => {
  expect(cpuMillis(text)).toBe(want);
});

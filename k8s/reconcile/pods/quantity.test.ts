import { expect, test } from "bun:test";
import { cpuMillis, parseQuantity } from "./quantity.ts";

test.each<[string | number | undefined, number | undefined]>([
  ["64Mi", 64 << 20],
  [3, 3],
  ["500m", 0.5],
  ["much", undefined],
  [undefined, undefined],
])("parseQuantity(%p) is %p", (text, want) => {
  expect(parseQuantity(text)).toBe(want);
});

test.each<[string | number | undefined, number | undefined]>([
  ["1", 1000],
  ["0.1", 100],
  ["1500u", 2],
  ["x", undefined],
])("cpuMillis(%p) is %p", (text, want) => {
  expect(cpuMillis(text)).toBe(want);
});

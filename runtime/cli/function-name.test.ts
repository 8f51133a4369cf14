import { expect, test } from "bun:test";
import { parseFunctionName } from "./function-name.ts";

test.each([
  ["cart", undefined, { name: "cart", namespace: "default" }],
  ["cart", "shop", { name: "cart", namespace: "shop" }],
  ["cart.shop", undefined, { name: "cart", namespace: "shop" }],
  ["cart.shop", "shop", { name: "cart", namespace: "shop" }],
] as const)("parseFunctionName(%p, %p)", (text, namespace, want) => {
  expect(parseFunctionName(text, namespace)).toEqual(want);
});

test.each([
  ["cart.shop", "other", `Cannot look for "cart.shop" in namespace "other": its name says "shop"`],
  ["a.b.c", undefined, 'Cannot read "a.b.c" as a function'],
  ["", undefined, 'Cannot read "" as a function'],
] as const)("parseFunctionName(%p, %p) is refused", (text, namespace, want) => {
  expect(() => parseFunctionName(text, namespace)).toThrow(want);
});

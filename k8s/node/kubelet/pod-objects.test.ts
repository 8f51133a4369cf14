import { expect, test } from "bun:test";
import { namedObjects, textsOf } from "./pod-objects.ts";

test("namedObjects() finds every ConfigMap and Secret that a part of a Pod names", () => {
  const names = namedObjects([
    [{ name: "A", valueFrom: { configMapKeyRef: { name: "a", key: "k" } } }],
    [{ secretRef: { name: "s" } }, { configMapRef: { name: "b", optional: true } }],
    { name: "v", secret: { secretName: "t" } },
    { projected: { sources: [{ secret: { name: "u" } }, { configMap: { name: "c" } }, { configMap: {} }] } },
  ]);
  expect({ configMaps: [...names.configMaps], secrets: [...names.secrets] }).toEqual({
    configMaps: ["a", "b", "c"],
    secrets: ["s", "t", "u"],
  });
});

test("textsOf() reads bytes as UTF-8", () => {
  expect([...(textsOf(new Map([["k", Buffer.from("é")]])) ?? [])]).toEqual([["k", "é"]]);
  expect(textsOf(undefined)).toBeUndefined();
});

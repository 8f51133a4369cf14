/** Quantities in their canonical form, as a Kubernetes API server writes them back. */
import { expect, test } from "bun:test";
import { assert, constantFrom, integer, nat, property, string } from "fast-check";
import { canonicalQuantity, quantityRule, quantityValue } from "./quantity.ts";

test.each([
  ["1", "1"],
  ["0", "0"],
  ["1000m", "1"],
  ["0.5", "500m"],
  ["1.5", "1500m"],
  ["1.5Gi", "1536Mi"],
  ["1024Ki", "1Mi"],
  ["1024", "1024"],
  ["1000", "1k"],
  ["1500", "1500"],
  ["2000k", "2M"],
  ["1e3", "1e3"],
  ["1E3", "1e3"],
  ["12e6", "12e6"],
  ["0.1Ki", "102400m"],
  ["-1.5", "-1500m"],
  ["+2", "2"],
  [".5", "500m"],
  ["5.", "5"],
  ["100n", "100n"],
  ["0.0000000001", "1n"],
  ["1Ei", "1Ei"],
])("%s is kept as %s", (text, want) => {
  expect(canonicalQuantity(text)).toEqual({ ok: true, value: want });
});

test.each(["", ".", "x", "1x", "1 Gi", "1KI", "--1", "1e", "9".repeat(100)])("%j is refused", (text) => {
  expect(canonicalQuantity(text)).toEqual({ ok: false, error: quantityRule });
});

test("the canonical form is its own canonical form and of the same value", () => {
  const suffix = constantFrom("", "m", "k", "M", "G", "Ki", "Mi", "Gi");
  assert(
    property(integer({ min: -9999, max: 9999 }), nat(99), suffix, (whole, part, unit) => {
      const text = `${whole}.${part}${unit}`;
      const first = canonicalQuantity(text);
      if (!first.ok) throw new Error(text);
      expect(canonicalQuantity(first.value)).toEqual(first);
      expect(quantityValue(first.value)).toEqual(quantityValue(text));
    }),
  );
});

test("canonicalQuantity() finds an answer for whatever comes", () => {
  assert(
    property(string(), (text) => {
      canonicalQuantity(text);
    }),
  );
});

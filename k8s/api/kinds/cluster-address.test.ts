/** Giving out ClusterIPs. */
import { expect, test } from "bun:test";
import type { Transaction } from "../object-store.ts";
import { clusterAddresses } from "./cluster-address.ts";

function claims(): Pick<Transaction, "claim" | "release"> & { held: Map<string, string> } {
  const held = new Map<string, string>();
  return {
    held,
    claim(_scope, value, holder) {
      if (held.has(value)) return false;
      held.set(value, holder);
      return true;
    },
    release(_scope, holder) {
      for (const [value, who] of held) if (who === holder) held.delete(value);
    },
  };
}

// Sound: only the two methods are used.
const asTransaction = (fake: ReturnType<typeof claims>): Transaction => fake as unknown as Transaction;

test("take() gives every address of a small range once, then says that it is full", () => {
  const fake = claims();
  const addresses = clusterAddresses("10.0.0.0/29", ["10.0.0.3"], () => 0.5);
  const got = Array.from({ length: 6 }, (_, i) => addresses.take(asTransaction(fake), `s${i}`));
  expect(got.map(String).sort()).toEqual([
    "10.0.0.1",
    "10.0.0.2",
    "10.0.0.4",
    "10.0.0.5",
    "10.0.0.6",
    "range-full",
  ]);
});

test.each([
  ["10.0.0.3", "10.0.0.3"],
  ["10.0.0.99", "out-of-range"],
  ["fd00::1", "out-of-range"],
  ["nonsense", "not-an-address"],
])("takeExactly(%p) is %p", (text, want) => {
  const addresses = clusterAddresses("10.0.0.0/29", ["10.0.0.3"], () => 0);
  expect(String(addresses.takeExactly(asTransaction(claims()), "s", text))).toBe(want);
});

test("takeExactly() refuses what another has, until it is released", () => {
  const tx = asTransaction(claims());
  const addresses = clusterAddresses("10.0.0.7/29", [], () => 0);
  expect(String(addresses.takeExactly(tx, "a", "10.0.0.2"))).toBe("10.0.0.2");
  expect(String(addresses.takeExactly(tx, "b", "10.0.0.2"))).toBe("taken");
  addresses.release(tx, "a");
  expect(String(addresses.takeExactly(tx, "b", "10.0.0.2"))).toBe("10.0.0.2");
});

test.each(["10.0.0.0/31", "10.0.0.0", "fd00::/64", "x", "0.0.0.0/0"])("refuses the range %p", (range) => {
  expect(() => clusterAddresses(range, [], () => 0)).toThrow("Cannot use the service range");
});

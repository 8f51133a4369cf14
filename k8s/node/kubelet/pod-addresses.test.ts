import { expect, test } from "bun:test";
import { parseCidr } from "#core/address/ip.ts";
import { PodAddresses } from "./pod-addresses.ts";

function open(range: string): PodAddresses {
  const cidr = parseCidr(range);
  if (!cidr.ok) throw new Error(cidr.error);
  return new PodAddresses(cidr.value);
}

test("addresses go round, and none is given twice", () => {
  const addresses = open("10.244.0.128/29");
  const all = Array.from({ length: 7 }, () => addresses.take());
  expect(all).toEqual(Array.from({ length: 7 }, (_, i) => `10.244.0.${128 + i}`) as typeof all);
  expect(() => addresses.take()).toThrow("all 7 of the node are taken");
  const [first, , third = first] = all;
  if (third === undefined) throw new Error("no address was given");
  addresses.release(third);
  expect(addresses.take()).toBe(third);
});

test("an address that was given back rests until the others were given", () => {
  const addresses = open("10.244.0.128/25");
  const first = addresses.take();
  addresses.release(first);
  expect(String(addresses.take())).toBe("10.244.0.129");
});

test("an address that is kept is not given out", () => {
  const addresses = open("10.244.0.128/25");
  const first = open("10.244.0.128/25").take();
  addresses.keep(first);
  expect(String(addresses.take())).toBe("10.244.0.129");
});

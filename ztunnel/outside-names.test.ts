import { expect, test } from "bun:test";
import type { IpAddress } from "#core/address/ip.ts";
import { makeOutsideNames } from "./outside-names.ts";

const ip = (text: string): IpAddress => text as IpAddress;

test("names hold for their addresses, beyond their time to live and not for ever", () => {
  let nowMs = 0;
  const names = makeOutsideNames(() => nowMs);
  names.record("a.example", [{ ip: ip("192.0.2.1"), ttlSeconds: 30 }]);
  names.record("b.example", [{ ip: ip("192.0.2.1"), ttlSeconds: 300 }]);
  expect([...names.namesOf(ip("192.0.2.1"))]).toEqual(["a.example", "b.example"]);
  expect([...names.namesOf(ip("192.0.2.2"))]).toEqual([]);
  nowMs = 631_000;
  expect([...names.namesOf(ip("192.0.2.1"))]).toEqual(["b.example"]);
});

test("the oldest address goes when there are too many", () => {
  const names = makeOutsideNames(() => 0);
  for (let i = 0; i < 1025; i++) {
    names.record("many.example", [{ ip: ip(`10.9.${i >> 8}.${i & 255}`), ttlSeconds: 1 }]);
    if (i === 1000) names.record("many.example", [{ ip: ip("10.9.0.0"), ttlSeconds: 1 }]);
  }
  expect([...names.namesOf(ip("10.9.0.0"))]).toEqual(["many.example"]);
  expect([...names.namesOf(ip("10.9.0.1"))]).toEqual([]);
});

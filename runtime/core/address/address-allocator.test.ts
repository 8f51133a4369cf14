import { expect, test } from "bun:test";
import { AddressAllocator } from "./address-allocator.ts";
import { parseCidr } from "./ip.ts";

function open(range: string, reservedFirst: number, quarantineMs: number): AddressAllocator {
  const cidr = parseCidr(range);
  if (!cidr.ok) throw new Error(cidr.error);
  return new AddressAllocator({ range: cidr.value, reservedFirst, quarantineMs });
}

test("AddressAllocator hands out the range in order, without the reserved ones", () => {
  const allocator = open("10.244.0.0/30", 2, 30);
  expect([allocator.allocate(0), allocator.allocate(0), allocator.allocate(0)]).toEqual([
    { index: 2, address: allocatorAddress("10.244.0.2") },
    { index: 3, address: allocatorAddress("10.244.0.3") },
    undefined,
  ]);
});

test("AddressAllocator gives an address again only after its quarantine, the longest rested first", () => {
  const allocator = open("10.244.0.0/30", 2, 30);
  allocator.allocate(0);
  allocator.allocate(0);
  allocator.release(3, 5);
  allocator.release(2, 6);
  expect(allocator.allocate(34)).toBeUndefined();
  expect(allocator.allocate(35)?.index).toBe(3);
  expect(allocator.allocate(35)).toBeUndefined();
  expect(allocator.allocate(36)?.index).toBe(2);
});

test("AddressAllocator ignores the release of what is not in use", () => {
  const allocator = open("10.244.0.0/30", 2, 0);
  allocator.allocate(0);
  allocator.release(2, 0);
  allocator.release(2, 0);
  allocator.release(9, 0);
  expect(allocator.usedCount).toBe(0);
  expect([allocator.allocate(0)?.index, allocator.allocate(0)?.index, allocator.allocate(0)]).toEqual([
    3,
    2,
    undefined,
  ]);
});

test("AddressAllocator counts across byte borders", () => {
  const allocator = open("10.244.0.0/16", 256, 0);
  expect(allocator.allocate(0)?.address).toBe(allocatorAddress("10.244.1.0"));
});

function allocatorAddress(text: string): NonNullable<ReturnType<AddressAllocator["allocate"]>>["address"] {
  // Sound: the tests write canonical addresses only.
  return text as NonNullable<ReturnType<AddressAllocator["allocate"]>>["address"];
}

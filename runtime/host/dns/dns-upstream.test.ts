import { expect, test } from "bun:test";
import { readResolvers } from "./dns-upstream.ts";

test("readResolvers() takes the first three addresses, and nothing that is none", () => {
  const text = [
    "# nameserver 192.0.2.9",
    "search example.com",
    "nameserver 192.0.2.1",
    "nameserver  fd00::53",
    "nameserver fe80::1%eth0",
    "nameserver nonsense",
    "nameserver 192.0.2.2",
    "nameserver 192.0.2.3",
  ].join("\n");
  expect(readResolvers(text).map(({ ip, port }) => `${ip} ${port}`)).toEqual([
    "192.0.2.1 53",
    "fd00::53 53",
    "fe80::1 53",
  ]);
  expect(readResolvers("")).toEqual([]);
});

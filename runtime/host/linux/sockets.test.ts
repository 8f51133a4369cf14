import { expect, test } from "bun:test";
import { type IpAddress, parseIp } from "#core/address/ip.ts";
import { decodeEndpoint, encodeEndpoint } from "./sockets.ts";

function ip(text: string): IpAddress {
  const parsed = parseIp(text);
  if (!parsed.ok) throw new Error(parsed.error);
  return parsed.value;
}

test("encodeEndpoint() lays out an IPv4 address", () => {
  expect(encodeEndpoint({ address: ip("10.1.2.3"), port: 8080 }).toString("hex")).toBe(
    "02001f900a010203" + "0".repeat(16),
  );
});

test("encodeEndpoint() lays out an IPv6 address", () => {
  expect(encodeEndpoint({ address: ip("2001:db8::1"), port: 443 }).toString("hex")).toBe(
    "0a0001bb0000000020010db800000000000000000000000100000000",
  );
});

test.each(["10.1.2.3", "::1", "2001:db8::1"])("decodeEndpoint() gives back %s", (address) => {
  const endpoint = { address: ip(address), port: 65535 };
  expect(decodeEndpoint(encodeEndpoint(endpoint))).toEqual(endpoint);
});

test("decodeEndpoint() reads a mapped address as IPv4, and no other family", () => {
  const mapped = Buffer.alloc(28);
  mapped.writeUInt16LE(10, 0);
  Buffer.from([0xff, 0xff, 192, 0, 2, 1]).copy(mapped, 18);
  expect([decodeEndpoint(mapped)?.address, decodeEndpoint(Buffer.alloc(28))]).toEqual([
    ip("192.0.2.1"),
    undefined,
  ]);
});

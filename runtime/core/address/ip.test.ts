import { expect, test } from "bun:test";
import { cidrContains, formatIp, ipBytes, parseCidr, parseIp } from "./ip.ts";

const canonical: [string, string][] = [
  ["10.0.0.1", "10.0.0.1"],
  ["::1", "::1"],
  ["::", "::"],
  ["2001:DB8:0:0:1:0:0:1", "2001:db8::1:0:0:1"],
  ["fe80:0:0:0:0:0:0:1", "fe80::1"],
  ["::ffff:10.1.2.3", "10.1.2.3"],
  ["1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8"],
  ["1:0:2:3:4:5:6:7", "1:0:2:3:4:5:6:7"],
];
test.each(canonical)("parseIp() makes %s canonical", (text, want) => {
  const parsed = parseIp(text);
  expect(parsed).toEqual({ ok: true, value: want as never });
  if (parsed.ok) expect(formatIp(ipBytes(parsed.value))).toBe(parsed.value);
});

const bad = [
  "",
  "1.2.3",
  "256.1.1.1",
  "01.2.3.4",
  "1.2.3.4.5",
  ":::",
  "1::2::3",
  "12345::",
  "1:2:3:4:5:6:7",
  "1:2:3:4:5:6:7:8:9",
  "fe80::1%lo",
  "[::1]",
  "1.2.3.4:80",
  "::1.2.3",
];
test.each(bad)("parseIp() refuses %j", (text) => expect(parseIp(text).ok).toBe(false));

const ranges: [string, string, boolean][] = [
  ["10.96.0.0/16", "10.96.255.1", true],
  ["10.96.0.0/16", "10.97.0.1", false],
  ["10.244.0.128/25", "10.244.0.127", false],
  ["10.244.0.128/25", "10.244.0.200", true],
  ["0.0.0.0/0", "8.8.8.8", true],
  ["0.0.0.0/0", "::1", false],
  ["10.0.0.1", "10.0.0.1", true],
  ["2001:db8::/33", "2001:db8:7fff::1", true],
  ["2001:db8::/33", "2001:db8:8000::1", false],
];
test.each(ranges)("cidrContains(%s, %s) is %p", (range, ip, want) => {
  const cidr = parseCidr(range);
  const address = parseIp(ip);
  if (!cidr.ok || !address.ok) throw new Error("bad row");
  expect(cidrContains(cidr.value, address.value)).toBe(want);
});

test.each(["10.0.0.0/33", "10.0.0.0/", "10.0.0.0/08", "10.0.0.0/1/2", "x/8"])(
  "parseCidr() refuses %j",
  (text) => expect(parseCidr(text).ok).toBe(false),
);

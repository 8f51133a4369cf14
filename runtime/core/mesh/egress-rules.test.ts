import { expect, test } from "bun:test";
import type { IpAddress } from "#core/address/ip.ts";
import {
  allowAnyEgress,
  allowsDestination,
  allowsName,
  type EgressRules,
  parseEgressRules,
} from "./egress-rules.ts";

function rules(...entries: string[]): EgressRules {
  const read = parseEgressRules(entries);
  if (!read.ok) throw new Error(read.error);
  return read.value;
}

test.each([
  ["host", "api.example.com"],
  ["host", "API.Example.com:443"],
  ["host", "localhost"],
  ["below", "*.example.com"],
  ["below", "*.example.com:8080"],
  ["range", "203.0.113.0/24"],
  ["range", "203.0.113.7:443"],
  ["range", "203.0.113.0/24:443"],
  ["range", "2001:db8::/32"],
  ["range", "[2001:db8::/32]:443"],
])("parseEgressRules() reads a %s: %s", (kind, entry) => {
  const read = rules(entry);
  expect(read.kind === "list" && read.rules.map((rule) => rule.kind)).toEqual([kind as "host"]);
});

test.each([
  "",
  "*",
  "*.",
  "a..b",
  "-a.example",
  "a_b.example",
  "10.0.0",
  "10.0.0.0/33",
  "example.com:0",
  "example.com:70000",
  "example.com:http",
  "https://example.com",
  "x".repeat(400),
])("parseEgressRules() refuses %j", (entry) => expect(parseEgressRules([entry]).ok).toBe(false));

const some = rules("api.example.com:443", "*.example.org", "203.0.113.0/24:80", "198.51.100.7");

test.each<[string, boolean]>([
  ["api.example.com", true],
  ["other.example.com", false],
  ["a.example.org", true],
  ["a.b.example.org", true],
  ["example.org", false],
  ["notexample.org", false],
])("allowsName(%s) is %p", (name, want) => expect(allowsName(some, name)).toBe(want));

test.each<[string, number, string[], boolean]>([
  ["192.0.2.1", 443, ["api.example.com"], true],
  ["192.0.2.1", 80, ["api.example.com"], false],
  ["192.0.2.1", 443, ["other.example.com"], false],
  ["192.0.2.1", 443, [], false],
  ["192.0.2.1", 9, ["other.example.com", "x.example.org"], true],
  ["203.0.113.9", 80, [], true],
  ["203.0.113.9", 81, [], false],
  ["198.51.100.7", 12_345, [], true],
  ["198.51.100.8", 12_345, [], false],
])("allowsDestination(%s:%d, known as %j) is %p", (address, port, names, want) => {
  // Sound: the table holds canonical addresses.
  const destination = { ip: address as IpAddress, port };
  expect(allowsDestination(some, destination, () => names)).toBe(want);
  expect(allowsDestination(allowAnyEgress, destination, () => [])).toBe(true);
  expect(allowsDestination(rules(), destination, () => names)).toBe(false);
});

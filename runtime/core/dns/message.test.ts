import { expect, test } from "bun:test";
import type { IpAddress } from "#core/address/ip.ts";
import { formatAddresses, formatFault, formatRefusal, withId } from "./format-answer.ts";
import { type DnsQuery, parseAnswer, parseQuery, recordType, responseCode } from "./message.ts";

const ip = (text: string): IpAddress => text as IpAddress;

function wireName(name: string): number[] {
  const labels = name === "" ? [] : name.split(".");
  return [...labels.flatMap((label) => [label.length, ...Buffer.from(label)]), 0];
}

function queryBytes(name: string, type = 1, more: number[] = [], additional = 0): Uint8Array {
  return Uint8Array.from([
    0x12,
    0x34,
    1,
    0,
    0,
    1,
    0,
    0,
    0,
    0,
    0,
    additional,
    ...wireName(name),
    0,
    type,
    0,
    1,
    ...more,
  ]);
}

function parsed(name: string, type = 1): DnsQuery {
  const query = parseQuery(queryBytes(name, type));
  if (!query.ok) throw new Error(query.error.text);
  return query.value;
}

test("parseQuery() reads name, type and the asker's limit", () => {
  const opt = [0, 0, recordType.opt, 16, 0, 0, 0, 0, 0, 0, 0];
  const query = parseQuery(queryBytes("Cart.SHOP", recordType.aaaa, opt, 1));
  expect(query.ok && { ...query.value, question: query.value.question.length }).toEqual({
    id: 0x1234,
    flags: 0x0100,
    name: "cart.shop",
    type: 28,
    class: 1,
    question: 15,
    udpBytesMax: 4096,
  });
  expect(parsed("").name).toBe("");
  expect(parsed("cart").udpBytesMax).toBe(512);
});

const head = [0, 9, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];

test.each<[string, number[], number | undefined, number]>([
  ["nothing", [], undefined, responseCode.formatError],
  ["half a head", head.slice(0, 11), undefined, responseCode.formatError],
  ["an answer", [0, 9, 0x81, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1], undefined, responseCode.formatError],
  [
    "another operation",
    [0, 9, 0x28, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1],
    9,
    responseCode.notImplemented,
  ],
  ["two questions", [0, 9, 1, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1], 9, responseCode.formatError],
  ["no question", [...head], 9, responseCode.formatError],
  ["a label that runs out", [...head, 5, 0x61], 9, responseCode.formatError],
  ["a pointer to itself", [...head, 0xc0, 12, 0, 1, 0, 1], 9, responseCode.formatError],
  ["a pointer forward", [...head, 0xc0, 20, 0, 1, 0, 1, 0, 0, 0], 9, responseCode.formatError],
  ["a pointer into the head", [...head, 0xc0, 0, 0, 1, 0, 1], 9, responseCode.formatError],
  ["half a pointer", [...head, 0xc0], 9, responseCode.formatError],
  ["a label of the reserved kind", [...head, 0x41, 0x61, 0, 0, 1, 0, 1], 9, responseCode.formatError],
  ["a dot within a label", [...head, 3, 0x61, 0x2e, 0x62, 0, 0, 1, 0, 1], 9, responseCode.formatError],
  ["a question without a type", [...head, 1, 0x61, 0, 0], 9, responseCode.formatError],
  [
    "a name that is too long",
    [...head, ...wireName("a".repeat(63).concat(".").repeat(5).slice(0, -1)), 0, 1, 0, 1],
    9,
    responseCode.formatError,
  ],
])("parseQuery() refuses %s", (_name, bytes, id, code) => {
  const query = parseQuery(Uint8Array.from(bytes));
  expect(query.ok ? undefined : { id: query.error.id, code: query.error.code }).toEqual({ id, code });
});

test("formatAddresses() is read back, by the asked type only", () => {
  const addresses = [ip("10.96.0.3"), ip("fd00::1"), ip("10.96.0.4")];
  const four = parseAnswer(formatAddresses(parsed("cart"), addresses, 512));
  expect(four).toEqual({
    id: 0x1234,
    code: 0,
    isTruncated: false,
    name: "cart",
    addresses: [
      { ip: ip("10.96.0.3"), ttlSeconds: 30 },
      { ip: ip("10.96.0.4"), ttlSeconds: 30 },
    ],
  });
  expect(
    parseAnswer(formatAddresses(parsed("cart", 28), addresses, 512))?.addresses.map((one) => one.ip),
  ).toEqual([ip("fd00::1")]);
  expect(parseAnswer(formatAddresses(parsed("cart", 16), addresses, 512))?.addresses).toEqual([]);
});

test("formatAddresses() says that it is cut when not all fit", () => {
  const addresses = Array.from({ length: 100 }, (_, i) => ip(`10.0.0.${i}`));
  const bytes = formatAddresses(parsed("cart"), addresses, 512);
  expect(bytes.length).toBeLessThanOrEqual(512);
  expect(parseAnswer(bytes)?.isTruncated).toBe(true);
});

test("refusals carry id, code and question", () => {
  const refusal = parseAnswer(withId(formatRefusal(parsed("nope"), responseCode.nxDomain), 7));
  expect(refusal).toEqual({ id: 7, code: 3, isTruncated: false, name: "nope", addresses: [] });
  expect(parseAnswer(formatFault(5, responseCode.formatError))?.code).toBe(1);
});

test("parseAnswer() follows aliases' addresses and refuses what runs out", () => {
  const alias = [0xc0, 12, 0, recordType.cname, 0, 1, 0, 0, 0, 9, 0, 4, 1, 0x62, 0xc0, 12];
  const address = [0xc0, 12, 0, recordType.a, 0, 1, 0, 0, 0, 9, 0, 4, 198, 51, 100, 1];
  const bytes = [
    0,
    9,
    0x81,
    0x80,
    0,
    1,
    0,
    2,
    0,
    0,
    0,
    0,
    ...wireName("a"),
    0,
    1,
    0,
    1,
    ...alias,
    ...address,
  ];
  expect(parseAnswer(Uint8Array.from(bytes))?.addresses).toEqual([{ ip: ip("198.51.100.1"), ttlSeconds: 9 }]);
  expect(parseAnswer(Uint8Array.from(bytes.slice(0, -1)))).toBeUndefined();
  expect(parseAnswer(queryBytes("a"))).toBeUndefined();
});

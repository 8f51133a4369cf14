import { expect, test } from "bun:test";
import type { IpAddress } from "#core/address/ip.ts";
import { type AnswerRecord, formatRecords } from "./format-records.ts";
import { type DnsQuery, parseAnswer, parseQuery } from "./message.ts";

const ip = (text: string): IpAddress => text as IpAddress;

function query(name: string): DnsQuery {
  const labels = name.split(".").flatMap((label) => [label.length, ...Buffer.from(label)]);
  const read = parseQuery(Uint8Array.from([0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, ...labels, 0, 0, 1, 0, 1]));
  if (!read.ok) throw new Error(read.error.text);
  return read.value;
}

test("an alias and the addresses behind it", () => {
  const records: AnswerRecord[] = [
    { kind: "alias", target: "a.example.com" },
    { kind: "address", name: "a.example.com", address: ip("192.0.2.1") },
    { kind: "address", name: "a.example.com", address: ip("fd00::1") },
  ];
  const answer = parseAnswer(formatRecords(query("web"), records, 512));
  expect(answer).toEqual({
    id: 7,
    code: 0,
    isTruncated: false,
    name: "web",
    addresses: [
      { ip: ip("192.0.2.1"), ttlSeconds: 30 },
      { ip: ip("fd00::1"), ttlSeconds: 30 },
    ],
  });
});

test("services and pointers as their forms say", () => {
  const bytes = formatRecords(query("x"), [{ kind: "service", target: "a.b", port: 80 }], 512);
  expect([...bytes.subarray(19)]).toEqual([
    0xc0, 12, 0, 33, 0, 1, 0, 0, 0, 30, 0, 11, 0, 0, 0, 100, 0, 80, 1, 97, 1, 98, 0,
  ]);
  const pointer = formatRecords(query("x"), [{ kind: "pointer", target: "a" }], 512);
  expect([...pointer.subarray(19)]).toEqual([0xc0, 12, 0, 12, 0, 1, 0, 0, 0, 30, 0, 3, 1, 97, 0]);
});

test("what does not fit is left out, and said to be", () => {
  const records = Array.from({ length: 100 }, (_, i): AnswerRecord => ({
    kind: "service",
    target: `pod-${i}.web`,
    port: 80,
  }));
  const bytes = formatRecords(query("x"), records, 512);
  expect(bytes.length).toBeLessThanOrEqual(512);
  expect(parseAnswer(bytes)?.isTruncated).toBe(true);
  expect(parseAnswer(formatRecords(query("x"), [], 512))?.isTruncated).toBe(false);
});

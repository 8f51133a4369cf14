import { expect, test } from "bun:test";
import {
  decodeAttributes,
  decodeMessages,
  encodeMessage,
  nested,
  readText,
  readU32,
  text,
  u32,
} from "./netlink-message.ts";

test("encodeMessage() lays out header, fixed part and padded attributes", () => {
  const bytes = encodeMessage({ type: 16, flags: 5, sequence: 7 }, Uint8Array.of(1, 2, 3, 4), [
    text(3, "lo"),
  ]);
  expect(Buffer.from(bytes).toString("hex")).toBe("1c00000010000500070000000000000001020304070003006c6f0000");
});

test("encodeMessage() pads the fixed part", () => {
  const bytes = encodeMessage({ type: 1, flags: 0, sequence: 1 }, Uint8Array.of(9), [u32(1, 0xffffffff)]);
  expect([...bytes.subarray(16)]).toEqual([9, 0, 0, 0, 8, 0, 1, 0, 255, 255, 255, 255]);
});

test("decoding gives back what was encoded, nested attributes too", () => {
  const inner = [text(1, "veth"), u32(2, 42)];
  const bytes = encodeMessage({ type: 20, flags: 1, sequence: 3 }, new Uint8Array(8), [nested(18, inner)]);
  const [message, ...rest] = decodeMessages(Buffer.concat([bytes, bytes]));
  const outer = decodeAttributes(message?.body.subarray(8) ?? new Uint8Array(0));
  const attributes = decodeAttributes(outer.get(18) ?? new Uint8Array(0));
  expect([message?.type, message?.sequence, rest.length]).toEqual([20, 3, 1]);
  expect([readText(attributes.get(1)), readU32(attributes.get(2))]).toEqual(["veth", 42]);
});

const malformed: readonly [string, number[], number][] = [
  ["nothing", [], 0],
  ["less than a header", [16, 0, 0, 0], 0],
  ["a length below the header's", [15, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], 0],
  ["a length beyond the datagram", [17, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], 0],
  ["a message and a rest", [16, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9, 9], 1],
];

test.each(malformed)("decodeMessages() of %s", (_, bytes, want) => {
  expect(decodeMessages(Uint8Array.from(bytes)).length).toBe(want);
});

const malformedAttributes: readonly [string, number[], number][] = [
  ["nothing", [], 0],
  ["a length below 4", [3, 0, 1, 0], 0],
  ["a length beyond the bytes", [9, 0, 1, 0, 1, 2, 3, 4], 0],
  ["one and a malformed rest", [5, 0, 1, 0, 7, 0, 0, 0, 1, 0], 1],
];

test.each(malformedAttributes)("decodeAttributes() of %s", (_, bytes, want) => {
  expect(decodeAttributes(Uint8Array.from(bytes)).size).toBe(want);
});

test("reading a value that is absent or short gives undefined", () => {
  expect([readU32(undefined), readU32(new Uint8Array(3)), readText(undefined)]).toEqual([
    undefined,
    undefined,
    undefined,
  ]);
  expect(readText(Buffer.from("no end"))).toBe("no end");
});

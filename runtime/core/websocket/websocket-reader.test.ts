import { expect, test } from "bun:test";
import * as fc from "fast-check";
import { encodeCloseCode, encodeFrameHead } from "./websocket-frame.ts";
import { opcode, WebSocketReader } from "./websocket-reader.ts";

interface Sent {
  readonly code: number;
  readonly isFinal: boolean;
  readonly bytes: Uint8Array;
}

/** A client's frame: as a server's, with the mask bit, a mask and masked bytes. */
function masked({ code, isFinal, bytes }: Sent): Uint8Array {
  const head = encodeFrameHead(code, bytes.length);
  head[0] = (isFinal ? 0x80 : 0) | code;
  head[1] = (head[1] ?? 0) | 0x80;
  const mask = [0x12, 0xff, 0x00, 0x9c];
  return Buffer.concat([head, Uint8Array.from(mask), bytes.map((byte, i) => byte ^ (mask[i % 4] ?? 0))]);
}

/** Events with the parts of a message joined. */
function readAll(pieces: Iterable<Uint8Array>): unknown[] {
  const reader = new WebSocketReader();
  const seen: unknown[] = [];
  let text = "";
  for (const piece of pieces) {
    reader.push(piece);
    for (let event = reader.read(); event !== undefined; event = reader.read()) {
      if (event.kind !== "part") {
        seen.push("bytes" in event ? [event.kind, Buffer.from(event.bytes).toString("latin1")] : event);
        if (event.kind === "problem") return seen;
        continue;
      }
      if (event.isStart) expect(text).toBe("");
      text += Buffer.from(event.bytes).toString("latin1");
      if (event.isEnd) seen.push([event.isText ? "text" : "binary", text.length > 20 ? text.length : text]);
      if (event.isEnd) text = "";
    }
    reader.retain();
  }
  return seen;
}

function frame(code: number, text: string, isFinal = true): Uint8Array {
  return masked({ code, isFinal, bytes: Buffer.from(text, "latin1") });
}

const conversation = Buffer.concat([
  frame(opcode.binary, "\0hello"),
  frame(opcode.text, "one ", false),
  frame(opcode.ping, "p"),
  frame(opcode.continuation, "", false),
  frame(opcode.continuation, "two"),
  frame(opcode.binary, ""),
  frame(opcode.binary, "x".repeat(300)),
  frame(opcode.binary, "y".repeat(70_000)),
  frame(opcode.pong, ""),
  masked({ code: opcode.close, isFinal: true, bytes: encodeCloseCode(1001) }),
]);

test.each([1, 2, 5, 100, 1 << 20])("a conversation is understood in pieces of %d bytes", (size) => {
  const count = Math.ceil(conversation.length / size);
  const pieces = Array.from({ length: count }, (_, i) => conversation.subarray(i * size, (i + 1) * size));
  expect(readAll(pieces)).toEqual([
    ["binary", "\0hello"],
    ["ping", "p"],
    ["text", "one two"],
    ["binary", ""],
    ["binary", 300],
    ["binary", 70_000],
    ["pong", ""],
    { kind: "close", code: 1001 },
  ]);
});

const wrong: [string, Uint8Array, string][] = [
  ["no mask", Uint8Array.of(0x82, 1, 7), "a client's frame that is not masked"],
  ["reserved bits", Uint8Array.of(0xc2, 0x80), "a frame with reserved bits"],
  ["an unknown kind", frame(3, ""), "a frame of no known kind"],
  ["an unknown control", frame(11, ""), "a frame of no known kind"],
  ["a ping in pieces", frame(opcode.ping, "", false), "a control frame in pieces"],
  ["a long ping", frame(opcode.ping, "p".repeat(126)), "a control frame that is too long"],
  ["a continuation of nothing", frame(opcode.continuation, ""), "a continuation of nothing"],
  [
    "a message in a message",
    Buffer.concat([frame(opcode.text, "", false), frame(opcode.text, "")]),
    "a message within a message",
  ],
  [
    "a length that no number holds",
    Buffer.concat([Uint8Array.of(0x82, 0xff, 0xff), new Uint8Array(12)]),
    "a frame of impossible length",
  ],
];

test.each(wrong)("a problem is final: %s", (_, bytes, reason) => {
  expect(readAll([bytes]).at(-1)).toEqual({ kind: "problem", reason });
});

test("random bytes never throw, and split points do not matter", () => {
  const piece = fc.oneof(
    fc.uint8Array({ maxLength: 20 }),
    fc
      .tuple(fc.integer({ min: 0, max: 10 }), fc.boolean(), fc.uint8Array({ maxLength: 140 }))
      .map(([code, isFinal, bytes]) => masked({ code, isFinal, bytes })),
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 6 }), fc.integer({ min: 1, max: 50 }), (pieces, size) => {
      const bytes = Buffer.concat(pieces);
      const count = Math.ceil(bytes.length / size);
      const small = Array.from({ length: count }, (_, i) => bytes.subarray(i * size, (i + 1) * size));
      expect(readAll(small)).toEqual(readAll([bytes]));
    }),
    { numRuns: 1500 },
  );
});

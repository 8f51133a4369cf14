import { expect, test } from "bun:test";
import {
  channel,
  encodeCredit,
  encodeMessage,
  encodeStreamHead,
  StreamFrameReader,
} from "./stream-frames.ts";

function stream(code: number, text: string): Uint8Array {
  return Buffer.concat([encodeStreamHead(code, text.length), Buffer.from(text)]);
}

/** Frames, with the bytes of one stream that follow each other as one text. */
function readAll(pieces: readonly Uint8Array[]): unknown[] {
  const reader = new StreamFrameReader();
  const seen: unknown[] = [];
  let last: [string, string] | undefined;
  for (const piece of pieces) {
    reader.push(piece);
    for (let frame = reader.read(); frame !== undefined; frame = reader.read()) {
      if (frame.kind === "problem") return [...seen, frame];
      if (frame.kind !== "input" && frame.kind !== "output" && frame.kind !== "errors") {
        last = undefined;
        seen.push(frame);
        continue;
      }
      const text = Buffer.from(frame.bytes).toString();
      if (last?.[0] === frame.kind) last[1] += text;
      else seen.push((last = [frame.kind, text]));
    }
    reader.retain();
  }
  return seen;
}

const conversation = Buffer.concat([
  stream(channel.input, "typed"),
  stream(channel.input, ""),
  stream(channel.output, "shown"),
  stream(channel.errors, "wrong"),
  encodeMessage(channel.size, { columns: 80, rows: 24 }),
  encodeCredit(65_537),
  encodeStreamHead(channel.inputEnd, 0),
  encodeMessage(channel.exit, { kind: "exited", code: 3 }),
  encodeMessage(channel.exit, { kind: "signaled", signal: 9 }),
]);

test.each([1, 2, 4, 5, 64, 4096])("frames are read in pieces of %d bytes", (size) => {
  const count = Math.ceil(conversation.length / size);
  const pieces = Array.from({ length: count }, (_, i) => conversation.subarray(i * size, (i + 1) * size));
  expect(readAll(pieces)).toEqual([
    ["input", "typed"],
    ["output", "shown"],
    ["errors", "wrong"],
    { kind: "size", size: { columns: 80, rows: 24 } },
    { kind: "credit", bytes: 65_537 },
    { kind: "input-end" },
    { kind: "exit", status: { kind: "exited", code: 3 } },
    { kind: "exit", status: { kind: "signaled", signal: 9 } },
  ]);
});

const bad: [string, Uint8Array, string][] = [
  ["a channel that is none", encodeStreamHead(9, 0), "a message that cannot be read, of channel 9"],
  ["a long message", encodeStreamHead(channel.size, 4097), "a message that is too long"],
  ["no JSON", stream(channel.size, "{"), "a message that cannot be read, of channel 4"],
  [
    "no size",
    encodeMessage(channel.size, { columns: 70_000, rows: 1 }),
    "a message that cannot be read, of channel 4",
  ],
  ["no end", encodeMessage(channel.exit, { kind: "gone" }), "a message that cannot be read, of channel 3"],
  ["an end of no kind", encodeMessage(channel.exit, 7), "a message that cannot be read, of channel 3"],
  ["half a credit", stream(channel.credit, "ab"), "a message that cannot be read, of channel 5"],
];
test.each(bad)("a problem is final: %s", (_, bytes, reason) => {
  const reader = new StreamFrameReader();
  reader.push(bytes);
  expect(reader.read()).toEqual({ kind: "problem", reason });
  reader.push(encodeCredit(1));
  expect(reader.read()).toEqual({ kind: "problem", reason });
});

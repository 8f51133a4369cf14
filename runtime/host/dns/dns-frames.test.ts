import { expect, test } from "bun:test";
import * as fc from "fast-check";
import { frameMessage, MessageReader } from "./dns-frames.ts";

test("messages are put together whatever the pieces", () => {
  const messages = fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 5 });
  fc.assert(
    fc.property(messages, fc.array(fc.nat(60)), (sent, cuts) => {
      const bytes = Buffer.concat(sent.map(frameMessage));
      const reader = new MessageReader(40);
      const read: Uint8Array[] = [];
      const ends = [...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length].sort((a, b) => a - b);
      let at = 0;
      for (const end of ends) {
        read.push(...(reader.push(bytes.subarray(at, end)) ?? []));
        at = end;
      }
      expect(read.map((message) => [...message])).toEqual(sent.map((message) => [...message]));
    }),
  );
});

test("a message that says that it is too long is refused", () => {
  expect(new MessageReader(40).push(Uint8Array.of(0, 41))).toBeUndefined();
});

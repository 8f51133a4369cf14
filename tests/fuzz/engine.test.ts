/** Bytes and values from hostile peers of the kernel's and the engine's parsers: nothing throws, and what is accepted has the promised form. */
import { expect, test } from "bun:test";
import * as fc from "fast-check";
import { decodeAttributes, decodeMessages, encodeMessage } from "#host/linux/netlink-message.ts";
import { parseScheduledResult, parseSpan, parseSpecialised } from "#isolate/engine-protocol.ts";
import { OutputLines } from "#isolate/output.ts";
import { FakeClock } from "#host/fake/fake-clock.ts";

test("netlink decoding never throws and never goes beyond its bytes", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 512 }), (bytes) => {
      const total = decodeMessages(bytes).reduce((sum, { body }) => sum + body.length + 16, 0);
      const held = [...decodeAttributes(bytes).values()].reduce((sum, value) => sum + value.length, 0);
      expect([total <= bytes.length, held <= bytes.length]).toEqual([true, true]);
    }),
  );
});

test("netlink messages come back as they were encoded", () => {
  const attribute = fc.record({
    type: fc.integer({ min: 1, max: 0x3fff }),
    value: fc.uint8Array({ maxLength: 64 }),
  });
  fc.assert(
    fc.property(fc.uniqueArray(attribute, { selector: ({ type }) => type, maxLength: 8 }), (attributes) => {
      const head = { type: 16, flags: 1, sequence: 9 };
      const [message] = decodeMessages(encodeMessage(head, new Uint8Array(16), attributes));
      const decoded = decodeAttributes(message?.body.subarray(16) ?? new Uint8Array(0));
      expect([...decoded].map(([type, value]) => [type, [...value]])).toEqual(
        attributes.map(({ type, value }) => [type, [...value]]),
      );
    }),
  );
});

test("what a function's process says is read or refused, never thrown over", () => {
  const field = fc.oneof(fc.anything(), fc.constantFrom("ready", "failed", "done", "parse", "fetch"));
  const value = fc.oneof(
    fc.anything(),
    fc.record({ kind: field, exports: field, stage: field, message: field, traceId: field, status: field }),
  );
  fc.assert(
    fc.property(value, (said) => {
      for (const parse of [parseSpecialised, parseScheduledResult, parseSpan]) {
        const read = parse(said);
        expect(read === undefined || typeof read === "object").toBe(true);
      }
    }),
  );
});

test("output arrives as the same lines, however it is cut", () => {
  const line = fc.string({ maxLength: 40 }).filter((text) => !/[\n\r]/.test(text));
  fc.assert(
    fc.property(fc.array(line, { maxLength: 20 }), fc.array(fc.nat(50), { maxLength: 20 }), (lines, cuts) => {
      const got: string[] = [];
      const output = new OutputLines(
        { lineBytesMax: 1000, linesPerSecond: 1000 },
        new FakeClock(),
        ({ text }) => got.push(text),
      );
      let rest = Buffer.from(lines.map((text) => `${text}\n`).join(""));
      for (const cut of cuts) {
        output.push("stdout", rest.subarray(0, cut));
        rest = rest.subarray(cut);
      }
      output.push("stdout", rest);
      output.finish("stdout");
      expect(got).toEqual(lines);
    }),
  );
});

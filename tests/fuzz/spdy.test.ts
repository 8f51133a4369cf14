/** SPDY codec under random input: it never throws, its memory is bounded, split points do not matter, what is written is read. */
import { expect, test } from "bun:test";
import { constants, deflateSync } from "node:zlib";
import * as fc from "fast-check";
import type { HeaderField } from "#core/h2/header-field.ts";
import { headerDictionary } from "#core/spdy/dictionary.ts";
import { formatHeaderBlock, HeaderDeflater, parseHeaderBlock } from "#core/spdy/header-block.ts";
import { HeaderInflater } from "#core/spdy/inflate.ts";
import {
  encodeDataHead,
  encodeGoAway,
  encodePing,
  encodeReset,
  encodeSynReply,
  encodeSynStream,
} from "#core/spdy/spdy-frame.ts";
import { SpdyReader } from "#core/spdy/spdy-reader.ts";

const runs = { numRuns: 1500 };

/** Everything said, with a stream's bytes in one piece a frame's end. */
function run(pieces: readonly Uint8Array[]): unknown[] {
  const reader = new SpdyReader();
  const seen: unknown[] = [];
  const open = new Map<number, string>();
  for (const piece of pieces) {
    reader.push(piece.slice());
    for (let event = reader.read(); event !== undefined; event = reader.read()) {
      if (event.kind === "data") {
        const text = (open.get(event.streamId) ?? "") + Buffer.from(event.bytes).toString("latin1");
        open.set(event.streamId, text);
        if (event.isEnd) seen.push(["end", event.streamId]);
        continue;
      }
      seen.push(event);
      if (event.kind === "problem") return [...seen, ...open];
    }
    reader.retain();
  }
  return [...seen, ...open];
}

function split(bytes: Uint8Array, cuts: readonly number[]): Uint8Array[] {
  const points = [...new Set([0, ...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length])].sort(
    (a, b) => a - b,
  );
  return points.slice(1).map((point, i) => bytes.subarray(points[i], point));
}

const cuts = fc.array(fc.nat(5000), { maxLength: 12 });
const name = fc.stringMatching(/^[a-z-]{1,20}$/);
const value = fc.stringMatching(/^[ -~]{0,60}$/);
const fields = fc.array(fc.tuple(name, value), { maxLength: 10 });

/** Frames, true and nearly true. */
const frame = fc.oneof(
  fields.map((each) => encodeSynStream(1, new HeaderDeflater().deflate(each))),
  fields.map((each) => encodeSynReply(2, new HeaderDeflater().deflate(each).subarray(2))),
  fc.nat().map((id) => encodePing(id)),
  fc.nat(9).map((status) => encodeReset(1, status)),
  fc.nat(9).map((status) => encodeGoAway(1, status)),
  fc
    .uint8Array({ maxLength: 200 })
    .map((bytes) => Buffer.concat([encodeDataHead(5, bytes.length, false), bytes])),
  fc.uint8Array({ maxLength: 40 }),
);

test("random frames and bytes never throw, and split points do not matter", () => {
  fc.assert(
    fc.property(fc.array(frame, { maxLength: 8 }), cuts, (frames, at) => {
      const bytes = Buffer.concat(frames);
      expect(run(split(bytes, at))).toEqual(run([bytes]));
    }),
    runs,
  );
});

test("a header block is read as it was written", () => {
  fc.assert(
    fc.property(fc.array(fields, { maxLength: 6 }), (blocks) => {
      const deflater = new HeaderDeflater();
      const inflater = new HeaderInflater(64 << 10);
      for (const block of blocks) {
        const inflated = inflater.inflate(deflater.deflate(block));
        const want: HeaderField[] = block;
        expect(inflated.ok && parseHeaderBlock(inflated.value, 100)).toEqual({ ok: true, value: want });
      }
    }),
    runs,
  );
});

test("what zlib compressed, broken anywhere, is refused or bounded but never thrown at", () => {
  fc.assert(
    fc.property(fields, fc.nat(), fc.nat(255), fc.integer({ min: 1, max: 9 }), (each, at, byte, level) => {
      const bytes = deflateSync(formatHeaderBlock(each), {
        level,
        dictionary: headerDictionary,
        finishFlush: constants.Z_SYNC_FLUSH,
      });
      const whole = new HeaderInflater(64 << 10).inflate(bytes);
      expect(whole.ok && Buffer.from(whole.value)).toEqual(Buffer.from(formatHeaderBlock(each)));
      bytes[at % bytes.length] = byte;
      const broken = new HeaderInflater(4096).inflate(bytes);
      if (broken.ok) expect(broken.value.length).toBeLessThanOrEqual(4096);
    }),
    runs,
  );
});

test("random bytes as a header block or its decompressed form never throw", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      const inflated = new HeaderInflater(4096).inflate(Uint8Array.of(0x78, 0x01, ...bytes));
      if (inflated.ok) expect(inflated.value.length).toBeLessThanOrEqual(4096);
      parseHeaderBlock(bytes, 100);
    }),
    { numRuns: 5000 },
  );
});

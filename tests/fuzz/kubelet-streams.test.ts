/** The protocol of `kubelet.sock` under random input: it never throws, split points do not matter, what is written is read. */
import { expect, test } from "bun:test";
import * as fc from "fast-check";
import {
  channel,
  encodeCredit,
  encodeMessage,
  encodeStreamHead,
  StreamFrameReader,
} from "../../k8s/node/streams/stream-frames.ts";
import { formatRequest, parseRequest, type StreamRequest } from "../../k8s/node/streams/stream-request.ts";

const runs = { numRuns: 1500 };

/** What was read, the bytes of streams joined by their channel. */
function run(pieces: readonly Uint8Array[]): unknown[] {
  const reader = new StreamFrameReader();
  const seen: unknown[] = [];
  const streams = new Map<string, string>();
  for (const piece of pieces) {
    reader.push(piece.slice());
    for (let frame = reader.read(); frame !== undefined; frame = reader.read()) {
      if (frame.kind === "input" || frame.kind === "output" || frame.kind === "errors") {
        const text = Buffer.from(frame.bytes).toString("latin1");
        streams.set(frame.kind, (streams.get(frame.kind) ?? "") + text);
        continue;
      }
      seen.push(frame);
      if (frame.kind === "problem") return [...seen, ...[...streams].toSorted(byName)];
    }
    reader.retain();
  }
  return [...seen, ...[...streams].toSorted(byName)];
}

function byName([a]: [string, string], [b]: [string, string]): number {
  return a.localeCompare(b);
}

const frame = fc.oneof(
  fc
    .tuple(fc.constantFrom(channel.input, channel.output, channel.errors), fc.uint8Array({ maxLength: 300 }))
    .map(([code, bytes]) => Buffer.concat([encodeStreamHead(code, bytes.length), bytes])),
  fc.nat(0xffffffff).map((bytes) => encodeCredit(bytes)),
  fc
    .tuple(fc.nat(0xffff), fc.nat(0xffff))
    .map(([columns, rows]) => encodeMessage(channel.size, { columns, rows })),
  fc.nat(255).map((code) => encodeMessage(channel.exit, { kind: "exited", code })),
  fc.constant(encodeStreamHead(channel.inputEnd, 0)),
  fc.uint8Array({ maxLength: 12 }),
);

test("random frames and bytes never throw, and split points do not matter", () => {
  fc.assert(
    fc.property(fc.array(frame, { maxLength: 8 }), fc.integer({ min: 1, max: 40 }), (frames, size) => {
      const bytes = Buffer.concat(frames);
      const count = Math.ceil(bytes.length / size);
      const pieces = Array.from({ length: count }, (_, i) => bytes.subarray(i * size, (i + 1) * size));
      expect(run(pieces)).toEqual(run([bytes]));
    }),
    runs,
  );
});

const text = fc.string({ minLength: 1, maxLength: 30 });
const whole = fc.nat();
const size = fc.record({ columns: fc.nat(0xffff), rows: fc.nat(0xffff) });
const request: fc.Arbitrary<StreamRequest> = fc.oneof(
  fc.record(
    {
      kind: fc.constant("logs" as const),
      podUid: text,
      container: text,
      previous: fc.boolean(),
      follow: fc.boolean(),
      timestamps: fc.boolean(),
      tailLines: whole,
      sinceTimeMs: whole,
      limitBytes: whole,
    },
    { requiredKeys: ["kind", "podUid", "container", "previous", "follow", "timestamps"] },
  ),
  fc.record(
    {
      kind: fc.constant("exec" as const),
      podUid: text,
      container: text,
      command: fc.array(fc.string(), { minLength: 1, maxLength: 5 }),
      tty: fc.boolean(),
      stdin: fc.boolean(),
      size,
    },
    { requiredKeys: ["kind", "podUid", "container", "command", "tty", "stdin"] },
  ),
  fc.record({ kind: fc.constant("attach" as const), podUid: text, container: text, stdin: fc.boolean() }),
  fc.record({
    kind: fc.constant("port-forward" as const),
    podUid: text,
    port: fc.integer({ min: 1, max: 65_535 }),
  }),
);

test("a request is read as it was written", () => {
  fc.assert(
    fc.property(text, request, (token, each) => {
      const line = formatRequest(token, each);
      expect(line.indexOf("\n")).toBe(line.length - 1);
      expect(parseRequest(line.trimEnd())).toEqual({ ok: true, value: { token, request: each } });
    }),
    runs,
  );
});

test("no line makes the reader of requests throw", () => {
  const line = fc.oneof(
    fc.string(),
    fc.json(),
    fc.object().map((value) => JSON.stringify(value)),
  );
  fc.assert(
    fc.property(line, (each) => {
      parseRequest(each);
    }),
    runs,
  );
});

/** Fuzzes HTTP/2: random bytes, random frames and mutated sessions never throw, never hang, and never hold more than the limits allow. */
import { describe, expect, test } from "bun:test";
import * as fc from "fast-check";
import { errorCodes, H2Error } from "#core/h2/error-code.ts";
import type { H2Stream } from "#core/h2/h2-stream.ts";
import { HpackDecoder } from "#core/h2/hpack/hpack-decoder.ts";
import {
  Bench,
  concat,
  connectBlock,
  frame,
  literals,
  preface,
  setting,
  smallOptions,
  uint32,
  wire,
} from "../support/h2-peer.ts";

/** One frame, lawful more often than not, so that the deeper states are reached. */
const anyFrame = fc.oneof(
  {
    weight: 6,
    arbitrary: fc
      .tuple(fc.constantFrom(1, 3, 5, 7, 9, 11), fc.nat(5))
      .map(([id, flags]) => frame(wire.headers, flags | wire.endHeaders, id, connectBlock)),
  },
  {
    weight: 3,
    arbitrary: fc
      .tuple(fc.constantFrom(1, 3, 5), fc.uint8Array({ maxLength: 60 }))
      .map(([id, block]) => frame(wire.headers, wire.endHeaders, id, block)),
  },
  {
    weight: 6,
    arbitrary: fc
      .tuple(fc.constantFrom(1, 3, 5, 7), fc.constantFrom(0, 0, 0, 1, 8), fc.nat(3000))
      .map(([id, flags, length]) => frame(wire.data, flags, id, new Uint8Array(length))),
  },
  {
    weight: 2,
    arbitrary: fc
      .tuple(fc.constantFrom(1, 3, 5), fc.nat(14))
      .map(([id, code]) => frame(wire.rst, 0, id, uint32(code))),
  },
  {
    weight: 2,
    arbitrary: fc
      .tuple(fc.constantFrom(0, 1, 3, 5), fc.oneof(fc.nat(70_000), fc.constant(0x7fff_ffff)))
      .map(([id, more]) => frame(wire.window, 0, id, uint32(more))),
  },
  {
    weight: 2,
    arbitrary: fc
      .tuple(fc.nat(7), fc.oneof(fc.nat(100_000), fc.constant(0xffff_ffff)))
      .map(([id, value]) => frame(wire.settings, 0, 0, setting(id, value))),
  },
  { weight: 1, arbitrary: fc.constant(frame(wire.settings, wire.ack, 0)) },
  {
    weight: 1,
    arbitrary: fc
      .uint8Array({ minLength: 8, maxLength: 8 })
      .map((payload) => frame(wire.ping, 0, 0, payload)),
  },
  {
    weight: 1,
    arbitrary: fc.nat(9).map((last) => frame(wire.goaway, 0, 0, [...uint32(last), ...uint32(0)])),
  },
  {
    weight: 2,
    arbitrary: fc
      .tuple(fc.nat(255), fc.nat(255), fc.nat(9), fc.uint8Array({ maxLength: 40 }))
      .map(([type, flags, id, payload]) => frame(type, flags, id, payload)),
  },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 30 }) },
);

/** What a server's user does meanwhile. */
const userAction = fc.constantFrom(
  "answer",
  "write",
  "end",
  "reset",
  "pause",
  "resume",
  "read",
  "drain",
  "none",
);

describe("a server under any frames and any use", () => {
  test("keeps its invariants", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(anyFrame, userAction, fc.nat(5)), { maxLength: 80 }), (steps) => {
        const bench = Bench.ready("server", { outputBytesMax: 20_000 });
        for (const [bytes, action, pick] of steps) {
          bench.connection.receive(bytes);
          const stream = bench.streams[pick % Math.max(1, bench.streams.length)];
          if (stream !== undefined) use(bench, stream, action);
          checkBounds(bench);
        }
        // The end of the transport ends every stream, once.
        bench.connection.abort(new H2Error("gone", { code: 0, source: "transport" }));
        expect(bench.connection.streamsOpen).toBe(0);
        for (const stream of bench.streams) {
          const closes: unknown[] = [];
          stream.park();
          stream.resume();
          stream.handle({ ...bench.recorder(stream.id), onClose: (error) => closes.push(error) });
          expect([stream.isClosed, stream.heldBytes, closes.length]).toEqual([true, 0, 1]);
        }
      }),
      { numRuns: 300 },
    );
  });

  test("answers every failure with one GOAWAY, its last frame", () => {
    fc.assert(
      fc.property(fc.array(anyFrame, { maxLength: 40 }), (frames) => {
        const bench = Bench.ready("server");
        bench.connection.receive(concat(...frames));
        const kinds: number[] = [];
        let output = bench.connection.output().slice();
        bench.connection.taken(output.length);
        while (output.length > 0) {
          kinds.push(output[3] ?? -1);
          const length = ((output[0] ?? 0) << 16) | ((output[1] ?? 0) << 8) | (output[2] ?? 0);
          output = output.subarray(9 + length);
        }
        const goaways = kinds.filter((kind) => kind === wire.goaway).length;
        expect(goaways).toBe(bench.failure === undefined ? 0 : 1);
        if (goaways === 1) expect(kinds.at(-1)).toBe(wire.goaway);
      }),
      { numRuns: 300 },
    );
  });
});

describe("a lawful peer", () => {
  const step = fc.record({
    kind: fc.constantFrom(
      "open",
      "open",
      "data",
      "data",
      "data",
      "end",
      "reset",
      "window",
      "settings",
      "ping",
      "trailers",
    ),
    pick: fc.nat(9),
    bytes: fc.nat(20_000),
    action: userAction,
  });

  test("is never blamed, whatever the user does meanwhile", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 150 }), (steps) => {
        const bench = Bench.ready("server", { outputBytesMax: 20_000, streamsMax: lawfulStreamsMax });
        const peer = new LawfulPeer(bench);
        for (const { kind, pick, bytes, action } of steps) {
          bench.receive(peer.next(kind, pick, bytes));
          const stream = bench.streams[pick % Math.max(1, bench.streams.length)];
          if (stream !== undefined && action !== "drain") use(bench, stream, action);
          bench.collect();
          checkBounds(bench, lawfulStreamsMax);
          expect(bench.failure).toBeUndefined();
        }
        // Only the user resets streams, never the rules.
        const codes = new Set(bench.verdicts().map(([, code]) => code));
        codes.delete(errorCodes.connectError);
        codes.delete(errorCodes.cancel);
        expect([...codes]).toEqual([]);
      }),
      { numRuns: 300 },
    );
  });
});

/** More than most tests allow, so that a user's pauses and resets meet. */
const lawfulStreamsMax = 6;

/** Makes the next lawful frame of a kind, or a ping where there is none. */
class LawfulPeer {
  readonly #bench: Bench;
  readonly #open: { readonly id: number; readonly isConnect: boolean }[] = [];
  #nextId = 1;

  constructor(bench: Bench) {
    this.#bench = bench;
  }

  next(kind: string, pick: number, bytes: number): Uint8Array {
    const at = pick % Math.max(1, this.#open.length);
    const stream = this.#open[at];
    if (kind === "open" && this.#bench.connection.streamsOpen < lawfulStreamsMax)
      return this.#openStream(pick % 2 === 0);
    if (kind === "settings") return frame(wire.settings, 0, 0, setting(1, bytes));
    if (kind === "window") return frame(wire.window, 0, 0, uint32(1 + bytes));
    if (stream !== undefined && this.#bench.connection.isOver)
      return frame(wire.ping, 0, 0, new Uint8Array(8));
    if (stream !== undefined && kind === "data") {
      const room = Math.min(this.#bench.receiveWindow(0), this.#bench.receiveWindow(stream.id), 16_384);
      return this.#bench.data(stream.id, Math.min(bytes, room));
    }
    if (stream !== undefined && (kind === "end" || kind === "reset" || kind === "trailers")) {
      this.#open.splice(at, 1);
      if (kind === "reset") return frame(wire.rst, 0, stream.id, uint32(8));
      if (kind === "end" || stream.isConnect) return frame(wire.data, wire.endStream, stream.id);
      return frame(wire.headers, wire.endHeaders | wire.endStream, stream.id, literals(["x", "y"]));
    }
    return frame(wire.ping, 0, 0, new Uint8Array(8));
  }

  #openStream(isConnect: boolean): Uint8Array {
    const id = this.#nextId;
    this.#nextId += 2;
    this.#open.push({ id, isConnect });
    const block = isConnect
      ? connectBlock
      : literals([":method", "POST"], [":scheme", "http"], [":path", "/"]);
    return frame(wire.headers, wire.endHeaders, id, block);
  }
}

describe("a client under any frames", () => {
  test("keeps its invariants, and every request ends once", () => {
    const response = fc.constantFrom(
      frame(wire.headers, wire.endHeaders, 1, literals([":status", "200"])),
      frame(wire.headers, wire.endHeaders | wire.endStream, 3, literals([":status", "403"])),
      frame(wire.headers, wire.endHeaders, 1, literals([":status", "100"])),
    );
    fc.assert(
      fc.property(fc.array(fc.oneof(response, anyFrame), { maxLength: 60 }), (frames) => {
        const bench = Bench.ready("client");
        const closes: number[] = [];
        for (const id of [1, 3]) {
          bench.connection.request(
            [
              [":method", "CONNECT"],
              [":authority", "a:1"],
            ],
            { ...bench.recorder(id), onClose: () => closes.push(id) },
          );
        }
        for (const bytes of frames) {
          bench.connection.receive(bytes);
          checkBounds(bench);
        }
        for (const id of [1, 3])
          if (bench.events.some(([kind, at]) => kind === "end" && at === id)) closes.push(-id);
        bench.connection.abort(new H2Error("gone", { code: 0, source: "transport" }));
        expect(closes.filter((id) => id > 0).toSorted((a, b) => a - b)).toEqual([1, 3]);
      }),
      { numRuns: 300 },
    );
  });
});

describe("any bytes", () => {
  test("as a whole connection never throw", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), fc.boolean(), (bytes, hasPreface) => {
        const bench = new Bench("server");
        bench.connection.receive(hasPreface ? concat(preface, bytes) : bytes);
        checkBounds(bench);
      }),
      { numRuns: 500 },
    );
  });

  test("one flipped in a lawful session never throws", () => {
    const session = concat(
      frame(wire.headers, wire.endHeaders, 1, connectBlock),
      frame(wire.data, wire.padded, 1, [3, 1, 2, 3, 0, 0, 0]),
      frame(wire.settings, 0, 0, setting(4, 10)),
      frame(wire.headers, wire.endHeaders | wire.prioritized, 3, [0, 0, 0, 0, 1, ...connectBlock]),
      frame(wire.window, 0, 1, uint32(5)),
      frame(wire.rst, 0, 3, uint32(8)),
      frame(wire.data, wire.endStream, 1, [1]),
    );
    fc.assert(
      fc.property(fc.nat(session.length - 1), fc.nat(255), (at, value) => {
        const bench = Bench.ready("server");
        const bytes = session.slice();
        bytes[at] = value;
        bench.connection.receive(bytes);
        checkBounds(bench);
      }),
      { numRuns: 1000 },
    );
  });

  test("as a header block never throw, and make no list beyond its bound", () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 6 }), (blocks) => {
        const decoder = new HpackDecoder({ tableBytesMax: 200, listBytesMax: 500 });
        for (const block of blocks) {
          const decoded = decoder.decode(block);
          expect(decoder.tableBytes).toBeLessThanOrEqual(200);
          if (!decoded.ok) return;
          const bytes = decoded.value.fields.reduce(
            (sum, [name, value]) => sum + name.length + value.length + 32,
            0,
          );
          expect(bytes).toBeLessThanOrEqual(500);
        }
      }),
      { numRuns: 1000 },
    );
  });
});

function use(bench: Bench, stream: H2Stream, action: string): void {
  if (action === "answer") stream.sendHead([[":status", "200"]], false);
  else if (action === "write") stream.write(new Uint8Array(3000));
  else if (action === "end") stream.end();
  else if (action === "reset") stream.reset();
  else if (action === "pause") stream.pause();
  else if (action === "resume") stream.resume();
  else if (action === "read") stream.handle(bench.recorder(stream.id));
  else if (action === "drain") bench.connection.taken(bench.connection.output().length);
}

function checkBounds(bench: Bench, streamsMax: number = smallOptions.streamsMax): void {
  const held = bench.streams.reduce((sum, stream) => sum + stream.heldBytes, 0);
  expect(held).toBeLessThanOrEqual(smallOptions.connectionWindowBytes);
  expect(bench.connection.streamsOpen).toBeLessThanOrEqual(streamsMax);
  expect(bench.connection.outputBytes).toBeLessThan(1_200_000);
}

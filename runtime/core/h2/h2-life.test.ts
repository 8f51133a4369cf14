/** The lives of streams and connections: half-close, reset, pause, GOAWAY both ways, floods, and bytes cut anywhere. */
import { describe, expect, test } from "bun:test";
import * as fc from "fast-check";
import {
  Bench,
  concat,
  connectBlock,
  frame,
  literals,
  preface,
  setting,
  uint32,
  wire,
} from "../../../tests/support/h2-peer.ts";
import { errorCodes as code, H2Error } from "./error-code.ts";
import type { HeaderField } from "./header-field.ts";

const headers: readonly HeaderField[] = [
  [":method", "CONNECT"],
  [":authority", "10.0.0.1:80"],
];
const open = frame(wire.headers, wire.endHeaders, 1, connectBlock);
const answer = frame(wire.headers, wire.endHeaders, 1, literals([":status", "200"]));

describe("a stream", () => {
  test("ends each direction on its own", () => {
    const bench = Bench.ready("client");
    const stream = bench.connection.request(headers, bench.recorder(1));
    bench.receive(answer);
    stream?.end();
    bench.receive(frame(wire.data, 0, 1, [1, 2]), frame(wire.data, wire.endStream, 1, [3]));
    expect(bench.events).toEqual([
      ["head", 1, `[[":status","200"]]`, "false"],
      ["data", 1, 2],
      ["data", 1, 1],
      ["end", 1],
      ["close", 1],
    ]);
    expect(bench.connection.streamsOpen).toBe(0);
  });

  test("keeps its end and close behind what a paused user has not taken", () => {
    const bench = Bench.ready("server");
    bench.receive(open, frame(wire.data, wire.endStream, 1, [1, 2, 3]));
    const [stream] = bench.streams;
    stream?.sendHead([[":status", "200"]], true);
    expect(bench.connection.streamsOpen).toBe(0);
    bench.events.length = 0;
    stream?.pause();
    stream?.handle(bench.recorder(1));
    expect(bench.events).toEqual([]);
    stream?.resume();
    expect(bench.events).toEqual([
      ["data", 1, 3],
      ["end", 1],
      ["close", 1],
    ]);
  });

  test("can be paused by its user in the middle of what is held", () => {
    const bench = Bench.ready("server");
    bench.receive(
      open,
      frame(wire.data, 0, 1, new Uint8Array(400)),
      frame(wire.data, wire.endStream, 1, new Uint8Array(1000)),
    );
    const [stream] = bench.streams;
    const got: number[] = [];
    stream?.handle({
      ...bench.recorder(1),
      onData: (bytes) => {
        got.push(bytes.length);
        stream.pause();
      },
      onEnd: () => got.push(-1),
    });
    while (got.at(-1) !== -1) stream?.resume();
    expect(got.filter((length) => length > 0).reduce((sum, length) => sum + length, 0)).toBe(1400);
  });

  test("tells each of two handlers about a close it had to wait for", () => {
    const bench = Bench.ready("server");
    bench.receive(open);
    const [stream] = bench.streams;
    stream?.handle(bench.recorder(1));
    bench.receive(frame(wire.rst, 0, 1, uint32(code.cancel)));
    stream?.park();
    stream?.handle(bench.recorder(1));
    expect(bench.events.slice(1)).toEqual([
      ["close", 1, "error"],
      ["close", 1, "error"],
    ]);
  });

  const resets: readonly (readonly [number: number, ends: readonly string[]])[] = [
    [code.noError, ["end", "close"]],
    [code.cancel, ["close error"]],
    [code.connectError, ["close error"]],
    [code.refusedStream, ["close error"]],
  ];
  test.each(resets)("reads RST_STREAM with code %d", (number, ends) => {
    const bench = Bench.ready("client");
    bench.connection.request(headers, bench.recorder(1));
    bench.receive(answer, frame(wire.rst, 0, 1, uint32(number)));
    const got = bench.events
      .slice(1)
      .map(([kind, , error]) => (error === undefined ? kind : `${kind} ${error}`));
    expect(got).toEqual([...ends]);
  });

  test("says CONNECT_ERROR when a tunnelled connection is reset, CANCEL otherwise", () => {
    const bench = Bench.ready("client");
    bench.connection.request(headers, bench.recorder(1))?.reset();
    bench.connection
      .request(
        [
          [":method", "GET"],
          [":scheme", "http"],
          [":path", "/"],
        ],
        bench.recorder(3),
      )
      ?.reset();
    bench.collect();
    expect(bench.verdicts()).toEqual([
      [1, code.connectError],
      [3, code.cancel],
    ]);
  });

  test("ignores what was on its way when it was reset here, and keeps the header table in step", () => {
    const bench = Bench.ready("server");
    bench.receive(open);
    bench.streams[0]?.reset();
    bench.receive(
      frame(wire.data, 0, 1, [1]),
      frame(wire.headers, 5, 1, [0x40, 1, 0x78, 1, 0x79]),
      frame(wire.window, 0, 1, uint32(1)),
    );
    const indexed = [...connectBlock, 0xbe];
    bench.receive(frame(wire.headers, wire.endHeaders, 3, indexed));
    expect(bench.events.at(-1)).toEqual([
      "request",
      3,
      `[[":method","CONNECT"],[":authority","10.0.0.1:80"],["x","y"]]`,
    ]);
    expect(bench.verdicts()).toEqual([[1, code.connectError]]);
  });

  test("cuts a header block larger than the peer's frames into CONTINUATIONs", () => {
    const bench = Bench.ready("client");
    bench.connection.request([...headers, ["x", "\u00ff".repeat(40_000)]], bench.recorder(1));
    const sent = bench.collect();
    expect(sent.map(({ type, flags }) => [type, flags])).toEqual([
      [wire.headers, 0],
      ...Array.from({ length: sent.length - 2 }, () => [wire.continuation, 0]),
      [wire.continuation, wire.endHeaders],
    ]);
    expect(Math.max(...sent.map(({ payload }) => payload.length))).toBe(16_384);
  });
});

describe("GOAWAY", () => {
  test("received: streams beyond its last one were never processed, the others go on", () => {
    const errors: (Error | undefined)[] = [];
    const bench = Bench.ready("client");
    bench.connection.request(headers, bench.recorder(1));
    bench.connection.request(headers, { ...bench.recorder(3), onClose: (error) => errors.push(error) });
    bench.receive(frame(wire.goaway, 0, 0, [...uint32(1), ...uint32(0)]));
    expect(errors.map((error) => error instanceof H2Error && error.isUnprocessed)).toEqual([true]);
    expect([bench.connection.isReady, bench.connection.isDrained, bench.connection.streamsOpen]).toEqual([
      false,
      false,
      1,
    ]);
    bench.receive(answer, frame(wire.data, wire.endStream, 1));
    expect(bench.events.slice(-2)).toEqual([
      ["head", 1, `[[":status","200"]]`, "false"],
      ["end", 1],
    ]);
  });

  test("sent by a server: first a warning, then the last stream it takes", () => {
    const bench = Bench.ready("server");
    bench.receive(open);
    bench.connection.shutdown();
    const [warning, ping] = bench.collect();
    expect([warning?.type, ping?.type]).toEqual([wire.goaway, wire.ping]);
    expect(warning?.payload.subarray(0, 4).toHex()).toBe("7fffffff");
    bench.receive(frame(wire.headers, wire.endHeaders, 3, connectBlock));
    const [last] = bench.receive(frame(wire.ping, wire.ack, 0, ping?.payload ?? []));
    expect(last?.payload.toHex()).toBe("0000000300000000");
    // What comes later is dropped, without harm to the connection.
    bench.receive(
      frame(wire.headers, wire.endHeaders, 5, connectBlock),
      frame(wire.data, 0, 5, [1]),
      frame(wire.rst, 0, 5, uint32(8)),
    );
    expect([bench.streams.length, bench.connection.isOver, bench.connection.isDrained]).toEqual([
      2,
      false,
      false,
    ]);
    for (const stream of bench.streams) stream.reset();
    expect(bench.connection.isDrained).toBe(true);
  });

  test("sent by a client: it opens nothing more", () => {
    const bench = Bench.ready("client");
    bench.connection.request(headers, bench.recorder(1));
    bench.connection.shutdown();
    expect(bench.collect().at(-1)?.payload.toHex()).toBe("0000000000000000");
    expect([bench.connection.request(headers, bench.recorder(3)), bench.connection.isDrained]).toEqual([
      undefined,
      false,
    ]);
  });

  test("is the last word of close(): every stream fails", () => {
    const bench = Bench.ready("server");
    bench.receive(open);
    bench.streams[0]?.handle(bench.recorder(1));
    bench.connection.close();
    bench.collect();
    expect(bench.events.slice(1)).toEqual([
      ["close", 1, "error"],
      ["failure", code.noError],
    ]);
    expect(bench.verdicts()).toEqual([[0, code.noError]]);
    expect(bench.receive(frame(wire.headers, wire.endHeaders, 3, connectBlock))).toEqual([]);
  });
});

describe("limits on streams", () => {
  test("a client follows the lesser of both limits", () => {
    const bench = Bench.ready("client", { streamsMax: 3 });
    expect(bench.connection.streamsMax).toBe(3);
    bench.receive(frame(wire.settings, 0, 0, setting(3, 1)));
    expect(bench.connection.streamsMax).toBe(1);
    bench.connection.request(headers, bench.recorder(1));
    expect([bench.connection.isReady, bench.connection.request(headers, bench.recorder(3))]).toEqual([
      false,
      undefined,
    ]);
  });
});

describe("a flood", () => {
  interface Flood {
    readonly name: string;
    /** The n-th frame of it. */
    readonly frame: (turn: number) => Uint8Array;
    readonly turnsMax: number;
    readonly begin?: readonly Uint8Array[];
  }
  const floods: readonly Flood[] = [
    {
      name: "rapid reset",
      frame: (turn) =>
        concat(
          frame(wire.headers, 4, turn * 2 + 1, connectBlock),
          frame(wire.rst, 0, turn * 2 + 1, uint32(8)),
        ),
      turnsMax: 1100,
    },
    { name: "PING", frame: () => frame(wire.ping, 0, 0, new Uint8Array(8)), turnsMax: 1100 },
    { name: "SETTINGS", frame: () => frame(wire.settings, 0, 0), turnsMax: 60 },
    { name: "empty DATA", begin: [open], frame: () => frame(wire.data, 0, 1), turnsMax: 1100 },
    { name: "PRIORITY", frame: () => frame(wire.priority, 0, 1, new Uint8Array(5)), turnsMax: 2100 },
    { name: "unknown frames", frame: () => frame(0x2a, 0, 1), turnsMax: 2100 },
    { name: "WINDOW_UPDATE", frame: () => frame(wire.window, 0, 0, uint32(1)), turnsMax: 20_100 },
    { name: "PING ACK", frame: () => frame(wire.ping, wire.ack, 0, new Uint8Array(8)), turnsMax: 2100 },
    { name: "GOAWAY", frame: () => frame(wire.goaway, 0, 0, new Uint8Array(8)), turnsMax: 2100 },
    {
      name: "DATA on a closed stream",
      begin: [open, frame(wire.rst, 0, 1, uint32(8))],
      frame: () => frame(wire.data, 0, 1),
      turnsMax: 1100,
    },
    {
      name: "refused streams",
      frame: (turn) => frame(wire.headers, 4, turn * 2 + 1, connectBlock),
      turnsMax: 1100,
    },
    {
      name: "CONTINUATION",
      begin: [frame(wire.headers, 0, 1)],
      frame: () => frame(wire.continuation, 0, 1),
      turnsMax: 70,
    },
    {
      name: "CONTINUATION with bytes",
      begin: [frame(wire.headers, 0, 1)],
      frame: () => frame(wire.continuation, 0, 1, new Uint8Array(1024)),
      turnsMax: 10,
    },
  ];
  test.each([...floods])(
    "of $name ends the connection with ENHANCE_YOUR_CALM",
    ({ begin, frame: next, turnsMax }) => {
      const bench = Bench.ready("server");
      bench.receive(...(begin ?? []));
      let turn = 0;
      while (!bench.connection.isOver && turn < turnsMax) bench.receive(next(turn++));
      expect(bench.verdicts().at(-1)).toEqual([0, code.enhanceYourCalm]);
      expect(bench.failure?.code).toBe(code.enhanceYourCalm);
    },
  );

  test("whose answers the peer does not read is bounded", () => {
    const bench = Bench.ready("server");
    for (let turn = 0; turn < 200_000 && !bench.connection.isOver; turn++) {
      bench.connection.receive(frame(wire.ping, 0, 0, new Uint8Array(8)));
      if (turn % 500 === 0) bench.connection.refill();
    }
    expect(bench.failure?.code).toBe(code.enhanceYourCalm);
    expect(bench.connection.outputBytes).toBeLessThan(1_200_000);
  });

  test("spread over time, or with useful data between, is none", () => {
    const bench = Bench.ready("server");
    for (let turn = 0; turn < 5000; turn++) {
      bench.receive(frame(wire.ping, 0, 0, new Uint8Array(8)));
      if (turn % 500 === 0) bench.connection.refill();
    }
    bench.receive(open);
    bench.streams[0]?.handle(bench.recorder(1));
    bench.streams[0]?.sendHead([[":status", "200"]], false);
    for (let turn = 0; turn < 5000; turn++)
      bench.receive(frame(wire.ping, 0, 0, new Uint8Array(8)), bench.data(1, 1));
    expect(bench.failure).toBeUndefined();
  });
});

describe("bytes cut anywhere", () => {
  const session = concat(
    preface,
    frame(wire.settings, 0, 0, setting(4, 100_000)),
    frame(wire.settings, wire.ack, 0),
    frame(wire.headers, 0, 1, connectBlock.subarray(0, 5)),
    frame(wire.continuation, wire.endHeaders, 1, connectBlock.subarray(5)),
    frame(wire.data, 0, 1, new Uint8Array(300)),
    frame(wire.data, wire.padded, 1, [7, ...new Uint8Array(20)]),
    frame(0x2a, 0, 5, new Uint8Array(50)),
    frame(wire.ping, 0, 0, new Uint8Array(8)),
    frame(wire.headers, wire.endHeaders | wire.endStream | wire.prioritized, 3, [
      0,
      0,
      0,
      0,
      1,
      ...literals([":method", "GET"], [":scheme", "http"], [":path", "/"]),
    ]),
    frame(wire.window, 0, 0, uint32(1000)),
    frame(wire.data, wire.endStream | wire.padded, 1, [3, 1, 2, 0, 0, 0]),
    frame(wire.goaway, 0, 0, [...uint32(0), ...uint32(0), ...new Uint8Array(70_000).fill(65)].slice(0, 9000)),
  );

  test("mean the same", () => {
    const whole = run([session]);
    expect(whole.events.length).toBeGreaterThan(5);
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: session.length }), { maxLength: 60 }), (cuts) => {
        expect(run(cutAt(session, cuts))).toEqual(whole);
      }),
    );
    expect(run(Array.from(session, (byte) => Uint8Array.of(byte)))).toEqual(whole);
  });
});

function run(pieces: readonly Uint8Array[]): {
  readonly events: readonly unknown[];
  readonly sent: readonly unknown[];
} {
  const bench = new Bench(
    "server",
    {},
    {
      onRequest: (stream, fields) => {
        bench.events.push(["request", stream.id, JSON.stringify(fields)]);
        stream.handle(bench.recorder(stream.id));
      },
    },
  );
  bench.receive(...pieces);
  return { events: mergeData(bench.events), sent: bench.sent };
}

/** Adds up neighbouring data: how it was cut is no difference. */
function mergeData(events: Bench["events"]): unknown[] {
  const merged: (string | number)[][] = [];
  for (const event of events) {
    const last = merged.at(-1);
    if (event[0] === "data" && last?.[0] === "data" && last[1] === event[1])
      last[2] = Number(last[2]) + Number(event[2]);
    else merged.push([...event]);
  }
  return merged;
}

function cutAt(bytes: Uint8Array, cuts: readonly number[]): Uint8Array[] {
  const points = [0, ...cuts.toSorted((a, b) => a - b), bytes.length];
  return points.slice(1).map((end, i) => bytes.slice(points[i], end));
}

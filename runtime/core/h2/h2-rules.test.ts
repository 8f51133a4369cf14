/** The negative side of every frame rule: what a peer gets for breaking it, and that nothing breaks for keeping it. */
import { describe, expect, test } from "bun:test";
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
import { errorCodes as code } from "./error-code.ts";

type Verdict = readonly [id: number, code: number];

const open = frame(wire.headers, wire.endHeaders, 1, connectBlock);
const getBlock = literals([":method", "GET"], [":scheme", "http"], [":path", "/"]);
const get = frame(wire.headers, wire.endHeaders | wire.endStream, 1, getBlock);

interface Row {
  readonly name: string;
  readonly frames: readonly Uint8Array[];
  readonly want: readonly Verdict[];
}

const rows: readonly Row[] = [
  { name: "DATA on stream 0", frames: [frame(wire.data, 0, 0)], want: [[0, code.protocolError]] },
  { name: "DATA on an idle stream", frames: [frame(wire.data, 0, 3)], want: [[0, code.protocolError]] },
  { name: "DATA on our own idle stream", frames: [frame(wire.data, 0, 2)], want: [[0, code.protocolError]] },
  {
    name: "DATA after its end",
    frames: [open, frame(wire.data, wire.endStream, 1), frame(wire.data, 0, 1, [1])],
    want: [[1, code.streamClosed]],
  },
  {
    name: "DATA on a stream its sender reset",
    frames: [open, frame(wire.rst, 0, 1, uint32(8)), frame(wire.data, 0, 1, [1])],
    want: [[1, code.streamClosed]],
  },
  {
    name: "DATA padded beyond its length",
    frames: [open, frame(wire.data, wire.padded, 1, [2, 0])],
    want: [[0, code.protocolError]],
  },
  {
    name: "padded DATA without a pad length",
    frames: [open, frame(wire.data, wire.padded, 1)],
    want: [[0, code.protocolError]],
  },
  {
    name: "a frame larger than announced",
    frames: [open, frame(wire.data, 0, 1, new Uint8Array(16_385))],
    want: [[0, code.frameSizeError]],
  },
  {
    name: "HEADERS on stream 0",
    frames: [frame(wire.headers, 4, 0, connectBlock)],
    want: [[0, code.protocolError]],
  },
  {
    name: "HEADERS on an even stream",
    frames: [frame(wire.headers, 4, 2, connectBlock)],
    want: [[0, code.protocolError]],
  },
  {
    name: "HEADERS on a stream below the last",
    frames: [frame(wire.headers, 4, 5, connectBlock), frame(wire.headers, 4, 3, connectBlock)],
    want: [[0, code.streamClosed]],
  },
  {
    name: "HEADERS padded beyond their length",
    frames: [frame(wire.headers, wire.padded | 4, 1, [5, 0x82])],
    want: [[0, code.protocolError]],
  },
  {
    name: "HEADERS too short for their priority",
    frames: [frame(wire.headers, wire.prioritized | 4, 1, [0, 0, 0])],
    want: [[0, code.frameSizeError]],
  },
  {
    name: "HEADERS that are not HPACK",
    frames: [frame(wire.headers, 4, 1, [0x80])],
    want: [[0, code.compressionError]],
  },
  {
    name: "trailers on CONNECT",
    frames: [open, frame(wire.headers, 5, 1, literals(["x", "1"]))],
    want: [[1, code.protocolError]],
  },
  {
    name: "HEADERS after the end",
    frames: [get, frame(wire.headers, 5, 1, literals(["x", "1"]))],
    want: [[1, code.streamClosed]],
  },
  {
    name: "another frame inside a header block",
    frames: [frame(wire.headers, 0, 1, connectBlock), frame(wire.ping, 0, 0, new Uint8Array(8))],
    want: [[0, code.protocolError]],
  },
  {
    name: "an unknown frame inside a header block",
    frames: [frame(wire.headers, 0, 1, connectBlock), frame(0x2a, 0, 1)],
    want: [[0, code.protocolError]],
  },
  {
    name: "another stream's CONTINUATION",
    frames: [frame(wire.headers, 0, 1, connectBlock), frame(wire.continuation, 4, 3)],
    want: [[0, code.protocolError]],
  },
  {
    name: "CONTINUATION without a block",
    frames: [frame(wire.continuation, 4, 1, connectBlock)],
    want: [[0, code.protocolError]],
  },
  {
    name: "CONTINUATION after the block's end",
    frames: [open, frame(wire.continuation, 4, 1)],
    want: [[0, code.protocolError]],
  },
  {
    name: "PRIORITY on stream 0",
    frames: [frame(wire.priority, 0, 0, new Uint8Array(5))],
    want: [[0, code.protocolError]],
  },
  {
    name: "PRIORITY of 4 bytes",
    frames: [frame(wire.priority, 0, 1, new Uint8Array(4))],
    want: [[0, code.frameSizeError]],
  },
  {
    name: "RST_STREAM on stream 0",
    frames: [frame(wire.rst, 0, 0, uint32(8))],
    want: [[0, code.protocolError]],
  },
  {
    name: "RST_STREAM of 3 bytes",
    frames: [open, frame(wire.rst, 0, 1, [0, 0, 8])],
    want: [[0, code.frameSizeError]],
  },
  {
    name: "RST_STREAM on an idle stream",
    frames: [frame(wire.rst, 0, 1, uint32(8))],
    want: [[0, code.protocolError]],
  },
  { name: "SETTINGS on a stream", frames: [frame(wire.settings, 0, 1)], want: [[0, code.protocolError]] },
  {
    name: "SETTINGS of 5 bytes",
    frames: [frame(wire.settings, 0, 0, new Uint8Array(5))],
    want: [[0, code.frameSizeError]],
  },
  {
    name: "SETTINGS ACK with a payload",
    frames: [frame(wire.settings, wire.ack, 0, setting(3, 1))],
    want: [[0, code.frameSizeError]],
  },
  {
    name: "SETTINGS ACK that nobody waits for",
    frames: [frame(wire.settings, wire.ack, 0)],
    want: [[0, code.protocolError]],
  },
  {
    name: "ENABLE_PUSH of 2",
    frames: [frame(wire.settings, 0, 0, setting(2, 2))],
    want: [[0, code.protocolError]],
  },
  {
    name: "INITIAL_WINDOW_SIZE of 2^31",
    frames: [frame(wire.settings, 0, 0, setting(4, 2 ** 31))],
    want: [[0, code.flowControlError]],
  },
  {
    name: "MAX_FRAME_SIZE of 16383",
    frames: [frame(wire.settings, 0, 0, setting(5, 16_383))],
    want: [[0, code.protocolError]],
  },
  {
    name: "MAX_FRAME_SIZE of 2^24",
    frames: [frame(wire.settings, 0, 0, setting(5, 2 ** 24))],
    want: [[0, code.protocolError]],
  },
  {
    name: "an INITIAL_WINDOW_SIZE that overflows a stream's window",
    frames: [
      open,
      frame(wire.window, 0, 1, uint32(1000)),
      frame(wire.settings, 0, 0, setting(4, 0x7fff_ffff)),
    ],
    want: [[0, code.flowControlError]],
  },
  {
    name: "more than 64 settings at once",
    frames: [frame(wire.settings, 0, 0, Array.from({ length: 65 }, () => setting(9, 1)).flat())],
    want: [[0, code.enhanceYourCalm]],
  },
  {
    name: "PUSH_PROMISE",
    frames: [open, frame(wire.push, 4, 1, uint32(2))],
    want: [[0, code.protocolError]],
  },
  {
    name: "PING on a stream",
    frames: [frame(wire.ping, 0, 1, new Uint8Array(8))],
    want: [[0, code.protocolError]],
  },
  {
    name: "PING of 7 bytes",
    frames: [frame(wire.ping, 0, 0, new Uint8Array(7))],
    want: [[0, code.frameSizeError]],
  },
  {
    name: "GOAWAY on a stream",
    frames: [frame(wire.goaway, 0, 1, new Uint8Array(8))],
    want: [[0, code.protocolError]],
  },
  {
    name: "GOAWAY of 7 bytes",
    frames: [frame(wire.goaway, 0, 0, new Uint8Array(7))],
    want: [[0, code.frameSizeError]],
  },
  {
    name: "WINDOW_UPDATE of 3 bytes",
    frames: [frame(wire.window, 0, 0, [0, 0, 1])],
    want: [[0, code.frameSizeError]],
  },
  {
    name: "WINDOW_UPDATE of 0 on the connection",
    frames: [frame(wire.window, 0, 0, uint32(0))],
    want: [[0, code.protocolError]],
  },
  {
    name: "WINDOW_UPDATE of 0 on a stream",
    frames: [open, frame(wire.window, 0, 1, uint32(0))],
    want: [[1, code.protocolError]],
  },
  {
    name: "WINDOW_UPDATE on an idle stream",
    frames: [frame(wire.window, 0, 1, uint32(1))],
    want: [[0, code.protocolError]],
  },
  {
    name: "WINDOW_UPDATE beyond 2^31-1 on the connection",
    frames: [frame(wire.window, 0, 0, uint32(0x7fff_ffff))],
    want: [[0, code.flowControlError]],
  },
  {
    name: "WINDOW_UPDATE beyond 2^31-1 on a stream",
    frames: [open, frame(wire.window, 0, 1, uint32(0x7fff_ffff))],
    want: [[1, code.flowControlError]],
  },
  {
    name: "a stream more than allowed",
    frames: [1, 3, 5, 7, 9].map((id) => frame(wire.headers, 4, id, connectBlock)),
    want: [[9, code.refusedStream]],
  },
  {
    name: "a header list larger than announced",
    frames: [
      frame(
        wire.headers,
        4,
        1,
        literals([":method", "CONNECT"], [":authority", "a:1"], ["x", "y".repeat(4100)]),
      ),
    ],
    want: [[1, code.enhanceYourCalm]],
  },
  {
    name: "a header block larger than any lawful list",
    frames: [frame(wire.headers, 4, 1, new Uint8Array(9000))],
    want: [[0, code.enhanceYourCalm]],
  },
  // What is lawful, next to what is not.
  { name: "PRIORITY on an idle stream", frames: [frame(wire.priority, 0, 9, new Uint8Array(5))], want: [] },
  {
    name: "WINDOW_UPDATE on a closed stream",
    frames: [open, frame(wire.rst, 0, 1, uint32(8)), frame(wire.window, 0, 1, uint32(1))],
    want: [],
  },
  {
    name: "RST_STREAM on a closed stream",
    frames: [open, frame(wire.rst, 0, 1, uint32(8)), frame(wire.rst, 0, 1, uint32(8))],
    want: [],
  },
  {
    name: "unknown frames and settings and flags",
    frames: [frame(0x2a, 0xff, 7, new Uint8Array(99)), frame(wire.settings, 0, 0, setting(0x99, 7))],
    want: [],
  },
  {
    name: "padding, priority and the reserved bit",
    frames: [
      frame(wire.headers, wire.padded | wire.prioritized | 4, 1 + 2 ** 31, [
        3,
        0,
        0,
        0,
        0,
        9,
        ...connectBlock,
        0,
        0,
        0,
      ]),
    ],
    want: [],
  },
  {
    name: "a block cut into CONTINUATIONs",
    frames: [
      frame(wire.headers, 0, 1, connectBlock.subarray(0, 3)),
      frame(wire.continuation, 0, 1, connectBlock.subarray(3, 9)),
      frame(wire.continuation, 4, 1, connectBlock.subarray(9)),
    ],
    want: [],
  },
];

describe("H2Connection as a server", () => {
  test.each([...rows])("answers $name", ({ frames, want }) => {
    const bench = Bench.ready("server");
    bench.receive(...frames);
    expect(bench.verdicts()).toEqual([...want]);
    const isFatal = want.some(([id]) => id === 0);
    expect({ isOver: bench.connection.isOver, failure: bench.failure?.code }).toEqual({
      isOver: isFatal,
      failure: isFatal ? want[0]?.[1] : undefined,
    });
    // The connection is as good as new after what was no connection error.
    bench.sent.length = 0;
    const [pong] = bench.receive(frame(wire.ping, 0, 0, [1, 2, 3, 4, 5, 6, 7, 8]));
    expect(pong?.type).toBe(isFatal ? undefined : wire.ping);
  });

  const beginnings: readonly (readonly [name: string, bytes: Uint8Array])[] = [
    ["another protocol", new TextEncoder().encode("GET / HTTP/1.1\r\n\r\n")],
    ["PING", concat(preface, frame(wire.ping, 0, 0, new Uint8Array(8)))],
    ["SETTINGS ACK", concat(preface, frame(wire.settings, wire.ack, 0))],
  ];
  test.each(beginnings)("refuses a connection that begins with %s", (_name, bytes) => {
    const bench = new Bench("server");
    bench.receive(bytes);
    expect(bench.verdicts()).toEqual([[0, code.protocolError]]);
  });

  const malformed: readonly (readonly [name: string, block: Uint8Array])[] = [
    ["no :method", literals([":scheme", "http"], [":path", "/"])],
    ["a :method with a blank", literals([":method", "GE T"], [":scheme", "http"], [":path", "/"])],
    ["no :path", literals([":method", "GET"], [":scheme", "http"])],
    ["an empty :path", literals([":method", "GET"], [":scheme", "http"], [":path", ""])],
    ["a relative :path", literals([":method", "GET"], [":scheme", "http"], [":path", "x"])],
    ["no :scheme", literals([":method", "GET"], [":path", "/"])],
    ["CONNECT with :path", literals([":method", "CONNECT"], [":authority", "a:1"], [":path", "/"])],
    ["CONNECT without :authority", literals([":method", "CONNECT"])],
    ["extended CONNECT", literals([":method", "CONNECT"], [":authority", "a:1"], [":protocol", "websocket"])],
    [
      "a pseudo-field twice",
      literals([":method", "GET"], [":method", "GET"], [":scheme", "http"], [":path", "/"]),
    ],
    [
      "a pseudo-field after others",
      literals([":method", "GET"], [":scheme", "http"], ["x", "1"], [":path", "/"]),
    ],
    [
      "a response's pseudo-field",
      literals([":method", "GET"], [":scheme", "http"], [":path", "/"], [":status", "200"]),
    ],
    [
      "an unknown pseudo-field",
      literals([":method", "GET"], [":scheme", "http"], [":path", "/"], [":x", "1"]),
    ],
    ["an upper-case name", literals([":method", "GET"], [":scheme", "http"], [":path", "/"], ["X-A", "1"])],
    ["an empty name", literals([":method", "GET"], [":scheme", "http"], [":path", "/"], ["", "1"])],
    ["a name with a blank", literals([":method", "GET"], [":scheme", "http"], [":path", "/"], ["a b", "1"])],
    [
      "a line feed in a value",
      literals([":method", "GET"], [":scheme", "http"], [":path", "/"], ["a", "1\n2"]),
    ],
    ["a NUL in a value", literals([":method", "GET"], [":scheme", "http"], [":path", "/"], ["a", "\0"])],
    [
      "a blank around a value",
      literals([":method", "GET"], [":scheme", "http"], [":path", "/"], ["a", " 1"]),
    ],
    [
      "connection",
      literals([":method", "GET"], [":scheme", "http"], [":path", "/"], ["connection", "close"]),
    ],
    [
      "transfer-encoding",
      literals([":method", "GET"], [":scheme", "http"], [":path", "/"], ["transfer-encoding", "chunked"]),
    ],
    [
      "te other than trailers",
      literals([":method", "GET"], [":scheme", "http"], [":path", "/"], ["te", "gzip"]),
    ],
    [
      "host against :authority",
      literals([":method", "GET"], [":scheme", "http"], [":path", "/"], [":authority", "a"], ["host", "b"]),
    ],
    [
      "two contradicting lengths",
      literals(
        [":method", "GET"],
        [":scheme", "http"],
        [":path", "/"],
        ["content-length", "1"],
        ["content-length", "2"],
      ),
    ],
    [
      "a negative length",
      literals([":method", "GET"], [":scheme", "http"], [":path", "/"], ["content-length", "-1"]),
    ],
  ];
  test.each(malformed)("resets a request with %s", (_name, block) => {
    const bench = Bench.ready("server");
    bench.receive(frame(wire.headers, wire.endHeaders, 1, block));
    expect(bench.verdicts()).toEqual([[1, code.protocolError]]);
    expect(bench.events).toEqual([]);
  });

  const lengths: readonly (readonly [
    name: string,
    stated: string,
    pieces: readonly number[],
    isGood: boolean,
  ])[] = [
    ["as stated", "5", [2, 3], true],
    ["shorter than stated", "5", [2, 2], false],
    ["longer than stated", "5", [2, 4], false],
    ["none, as stated", "0", [0], true],
  ];
  test.each(lengths)("checks content %s", (_name, stated, pieces, isGood) => {
    const bench = Bench.ready("server");
    const block = literals(
      [":method", "POST"],
      [":scheme", "http"],
      [":path", "/"],
      ["content-length", stated],
    );
    bench.receive(frame(wire.headers, wire.endHeaders, 1, block));
    bench.streams[0]?.handle(bench.recorder(1));
    for (const [i, length] of pieces.entries()) {
      const flags = i === pieces.length - 1 ? wire.endStream : 0;
      bench.receive(frame(wire.data, flags, 1, new Uint8Array(length)));
    }
    expect(bench.verdicts()).toEqual(isGood ? [] : [[1, code.protocolError]]);
    expect(bench.events.at(-1)).toEqual(isGood ? ["end", 1] : ["close", 1, "error"]);
  });
});

describe("H2Connection as a client", () => {
  const answer = frame(wire.headers, wire.endHeaders, 1, literals([":status", "200"]));
  const clientRows: readonly Row[] = [
    { name: "DATA before the head", frames: [frame(wire.data, 0, 1, [1])], want: [[1, code.protocolError]] },
    {
      name: "HEADERS on a stream nobody opened",
      frames: [frame(wire.headers, 4, 3, literals([":status", "200"]))],
      want: [[0, code.protocolError]],
    },
    {
      name: "HEADERS on the server's own stream",
      frames: [frame(wire.headers, 4, 2, literals([":status", "200"]))],
      want: [[0, code.protocolError]],
    },
    { name: "PUSH_PROMISE", frames: [frame(wire.push, 4, 1, uint32(2))], want: [[0, code.protocolError]] },
    {
      name: "ENABLE_PUSH from a server",
      frames: [frame(wire.settings, 0, 0, setting(2, 1))],
      want: [[0, code.protocolError]],
    },
    {
      name: "a head without :status",
      frames: [frame(wire.headers, 4, 1, literals(["a", "1"]))],
      want: [[1, code.protocolError]],
    },
    {
      name: "a bad :status",
      frames: [frame(wire.headers, 4, 1, literals([":status", "20"]))],
      want: [[1, code.protocolError]],
    },
    {
      name: "status 101",
      frames: [frame(wire.headers, 4, 1, literals([":status", "101"]))],
      want: [[1, code.protocolError]],
    },
    {
      name: "an interim head that ends",
      frames: [frame(wire.headers, 5, 1, literals([":status", "103"]))],
      want: [[1, code.protocolError]],
    },
    {
      name: "a request's pseudo-field",
      frames: [frame(wire.headers, 4, 1, literals([":status", "200"], [":path", "/"]))],
      want: [[1, code.protocolError]],
    },
    { name: "a second head", frames: [answer, answer], want: [[1, code.protocolError]] },
    {
      name: "an interim and a final head",
      frames: [frame(wire.headers, 4, 1, literals([":status", "103"])), answer],
      want: [],
    },
  ];
  test.each([...clientRows])("answers $name", ({ frames, want }) => {
    const bench = Bench.ready("client");
    bench.connection.request(
      [
        [":method", "GET"],
        [":scheme", "http"],
        [":path", "/"],
      ],
      bench.recorder(1),
    );
    bench.collect();
    bench.receive(...frames);
    expect(bench.verdicts()).toEqual([...want]);
  });

  test("takes a HEAD response whose content-length has no content", () => {
    const bench = Bench.ready("client");
    bench.connection.request(
      [
        [":method", "HEAD"],
        [":scheme", "http"],
        [":path", "/"],
      ],
      bench.recorder(1),
      true,
    );
    bench.receive(frame(wire.headers, 5, 1, literals([":status", "200"], ["content-length", "9"])));
    expect(bench.events).toEqual([
      ["head", 1, `[[":status","200"],["content-length","9"]]`, "true"],
      ["end", 1],
      ["close", 1],
    ]);
  });
});

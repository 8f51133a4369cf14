/** Flow control both ways against a peer that keeps its own ledger: no window is ever exceeded, and none is left shut. */
import { describe, expect, test } from "bun:test";
import * as fc from "fast-check";
import {
  Bench,
  connectBlock,
  firstWord,
  frame,
  setting,
  smallOptions,
  uint32,
  wire,
} from "../../../tests/support/h2-peer.ts";
import { errorCodes as code } from "./error-code.ts";
import type { H2Stream, StreamHandler } from "./h2-stream.ts";

const headers = [
  [":method", "CONNECT"],
  [":authority", "10.0.0.1:80"],
] as const;

/** Opens stream `id` of a server's peer, answered with 200. */
function openServed(bench: Bench, id: number): H2Stream {
  bench.receive(frame(wire.headers, wire.endHeaders, id, connectBlock));
  const stream = bench.streams.at(-1);
  if (stream === undefined) throw new Error("no request arrived");
  stream.handle(bench.recorder(id));
  stream.sendHead([[":status", "200"]], false);
  bench.collect();
  return stream;
}

describe("sending", () => {
  test("stops at the stream's window and goes on where it stopped", () => {
    const bench = Bench.ready("server", { outputBytesMax: 1 << 20 });
    const stream = openServed(bench, 1);
    expect(stream.write(new Uint8Array(100_000))).toBe(65_535);
    bench.collect();
    bench.receive(bench.openWindow(0, 1 << 20));
    expect(bench.events).not.toContainEqual(["drain", 1]);
    bench.receive(bench.openWindow(1, 10));
    expect(bench.events).toContainEqual(["drain", 1]);
    expect(stream.write(new Uint8Array(100_000))).toBe(10);
    bench.collect();
    expect([bench.sendWindow(1), stream.wire.sendWindowBytes]).toEqual([0, 0]);
  });

  test("stops at the connection's window and wakes the longest waiting first", () => {
    const bench = Bench.ready("server", { outputBytesMax: 1 << 20 });
    const [first, second] = [openServed(bench, 1), openServed(bench, 3)];
    expect([
      first.write(new Uint8Array(65_535)),
      second.write(new Uint8Array(9)),
      first.write(new Uint8Array(9)),
    ]).toEqual([65_535, 0, 0]);
    bench.collect();
    bench.receive(bench.openWindow(1, 100));
    bench.events.length = 0;
    bench.receive(bench.openWindow(0, 100));
    expect(bench.events).toEqual([
      ["drain", 3],
      ["drain", 1],
    ]);
  });

  test("waits out a window that SETTINGS made negative", () => {
    const bench = Bench.ready("server", { outputBytesMax: 1 << 20 });
    const stream = openServed(bench, 1);
    expect(stream.write(new Uint8Array(60_000))).toBe(60_000);
    bench.collect();
    bench.receive(frame(wire.settings, 0, 0, setting(4, 10_000)));
    expect(stream.wire.sendWindowBytes).toBe(10_000 - 60_000);
    expect(stream.write(new Uint8Array(1))).toBe(0);
    bench.receive(frame(wire.window, 0, 1, uint32(50_000)));
    expect([stream.wire.sendWindowBytes, stream.write(new Uint8Array(1))]).toEqual([0, 0]);
    bench.receive(frame(wire.window, 0, 1, uint32(1)));
    expect(stream.write(new Uint8Array(9))).toBe(1);
  });

  test("keeps the windows of new streams as SETTINGS say, and wakes old ones", () => {
    const bench = Bench.ready("server", { outputBytesMax: 1 << 20 });
    bench.receive(bench.openWindow(0, 1 << 20));
    const stream = openServed(bench, 1);
    stream.write(new Uint8Array(65_536));
    bench.events.length = 0;
    bench.receive(frame(wire.settings, 0, 0, setting(4, 70_000)));
    expect(bench.events).toEqual([["drain", 1]]);
    expect(openServed(bench, 3).wire.sendWindowBytes).toBe(70_000);
  });

  test("cuts frames at the peer's MAX_FRAME_SIZE", () => {
    const bench = Bench.ready("server", { outputBytesMax: 1 << 20 });
    const stream = openServed(bench, 1);
    stream.write(new Uint8Array(40_000));
    expect(bench.collect().map(({ payload }) => payload.length)).toEqual([16_384, 16_384, 7232]);
    bench.receive(frame(wire.settings, 0, 0, setting(5, 20_000)));
    stream.write(new Uint8Array(25_000));
    expect(bench.collect().map(({ payload }) => payload.length)).toEqual([20_000, 5000]);
  });

  test("holds no more than the output's bound, and wakes writers as it drains", () => {
    const bench = Bench.ready("server", { outputBytesMax: 20_000 });
    const stream = openServed(bench, 1);
    const taken = stream.write(new Uint8Array(60_000));
    expect(taken).toBeLessThanOrEqual(20_000);
    expect(bench.connection.outputBytes).toBeLessThanOrEqual(20_000 + 9 * 2);
    expect(stream.write(new Uint8Array(1))).toBe(0);
    bench.events.length = 0;
    bench.collect();
    expect(bench.events).toEqual([["drain", 1]]);
  });

  test("writes nothing before a server's answer, and after an end", () => {
    const bench = Bench.ready("server");
    bench.receive(frame(wire.headers, wire.endHeaders, 1, connectBlock));
    const [stream] = bench.streams;
    expect(stream?.write(new Uint8Array(1))).toBe(0);
    stream?.sendHead([[":status", "200"]], false);
    stream?.end();
    expect(stream?.write(new Uint8Array(1))).toBe(0);
    expect(bench.collect().map(({ type, flags }) => [type, flags])).toEqual([
      [wire.headers, wire.endHeaders],
      [wire.data, wire.endStream],
    ]);
  });
});

describe("receiving", () => {
  test("gives the window back in halves, as bytes are taken", () => {
    const bench = Bench.ready("server");
    openServed(bench, 1);
    expect(bench.receive(bench.data(1, 16_384))).toEqual([]);
    const updates = bench
      .receive(bench.data(1, 16_384))
      .map(({ type, id, payload }) => [type, id, firstWord(payload)]);
    expect(updates).toEqual([
      [wire.window, 0, 32_768],
      [wire.window, 1, 32_768],
    ]);
    expect([bench.receiveWindow(0), bench.receiveWindow(1)]).toEqual([65_535, 65_535]);
  });

  test("gives nothing back while paused, and holds no more than the window", () => {
    const bench = Bench.ready("server");
    const stream = openServed(bench, 1);
    stream.pause();
    for (let i = 0; i < 4; i++)
      expect(bench.receive(bench.data(1, Math.min(16_384, 65_535 - i * 16_384)))).toEqual([]);
    expect([stream.heldBytes, bench.receiveWindow(1)]).toEqual([65_535, 0]);
    bench.receive(frame(wire.data, 0, 1, [1]));
    expect(bench.verdicts()).toEqual([[0, code.flowControlError]]);
  });

  test("resets a stream that overruns its own window only", () => {
    const bench = Bench.ready("server", { connectionWindowBytes: 1 << 20 });
    const stream = openServed(bench, 1);
    stream.pause();
    for (let i = 0; i < 4; i++) bench.receive(frame(wire.data, 0, 1, new Uint8Array(16_384)));
    expect(bench.verdicts()).toEqual([[1, code.flowControlError]]);
    expect(bench.connection.isOver).toBe(false);
    expect(bench.events.at(-1)).toEqual(["close", 1, "error"]);
  });

  test("gives padding and dropped data back to the connection", () => {
    const bench = Bench.ready("server");
    openServed(bench, 1);
    for (let i = 0; i < 200; i++)
      bench.receive(frame(wire.data, wire.padded, 1, new Uint8Array(256).fill(255, 0, 1)));
    expect(bench.verdicts()).toEqual([]);
    const returned = bench.sent
      .filter(({ type, id }) => type === wire.window && id === 0)
      .reduce((sum, { payload }) => sum + firstWord(payload), 0);
    expect(returned).toBeGreaterThan(200 * 256 - 32_768);
  });

  test("gives held bytes of a reset stream back to the connection", () => {
    const bench = Bench.ready("server");
    const stream = openServed(bench, 1);
    stream.pause();
    for (let i = 0; i < 3; i++) bench.receive(bench.data(1, 16_384));
    bench.receive(frame(wire.rst, 0, 1, uint32(8)));
    expect(bench.receiveWindow(0)).toBe(65_535);
  });

  test("counts with its own window only from the acknowledgement on", () => {
    const bench = new Bench("client", { streamWindowBytes: 100_000, connectionWindowBytes: 1 << 20 });
    bench.receive(frame(wire.settings, 0, 0));
    const stream = bench.connection.request(headers, bench.recorder(1));
    expect(stream?.wire.receiveWindowBytes).toBe(65_535);
    bench.receive(frame(wire.settings, wire.ack, 0));
    expect(stream?.wire.receiveWindowBytes).toBe(100_000);
    expect(bench.connection.request(headers, bench.recorder(3))?.wire.receiveWindowBytes).toBe(100_000);
  });

  test("keeps many small pieces for a paused reader in few bytes", () => {
    const bench = Bench.ready("server");
    const stream = openServed(bench, 1);
    stream.pause();
    for (let i = 0; i < 5000; i++) bench.receive(bench.data(1, 1));
    const pieces: number[] = [];
    stream.handle({ ...bench.recorder(1), onData: (bytes) => pieces.push(bytes.length) });
    stream.resume();
    expect(pieces.reduce((sum, length) => sum + length, 0)).toBe(5000);
    expect(pieces.length).toBeLessThan(8);
  });
});

describe("any traffic", () => {
  const action = fc.oneof(
    fc.record({ kind: fc.constant("write" as const), stream: fc.nat(2), bytes: fc.nat(50_000) }),
    fc.record({
      kind: fc.constant("open" as const),
      stream: fc.nat(3),
      bytes: fc.integer({ min: 1, max: 40_000 }),
    }),
    fc.record({ kind: fc.constant("window" as const), stream: fc.nat(0), bytes: fc.nat(100_000) }),
    fc.record({ kind: fc.constant("send" as const), stream: fc.nat(2), bytes: fc.nat(16_384) }),
    fc.record({ kind: fc.constant("pause" as const), stream: fc.nat(2), bytes: fc.nat(0) }),
    fc.record({ kind: fc.constant("resume" as const), stream: fc.nat(2), bytes: fc.nat(0) }),
    fc.record({ kind: fc.constant("collect" as const), stream: fc.nat(0), bytes: fc.nat(0) }),
  );

  test("keeps both ledgers, moves every byte once the windows open, and holds no more than allowed", () => {
    fc.assert(
      fc.property(fc.array(action, { maxLength: 120 }), (actions) => {
        const bench = Bench.ready("server", { outputBytesMax: 30_000 });
        const ids = [1, 3, 5];
        const pipes = ids.map((id) => new Pipe(openServed(bench, id)));
        for (const { kind, stream, bytes } of actions) {
          const id = ids[stream] ?? 1;
          const pipe = pipes[stream] ?? pipes[0];
          if (kind === "write") pipe?.offer(bytes);
          else if (kind === "open") bench.receive(bench.openWindow(stream === 3 ? 0 : id, bytes));
          else if (kind === "window") shiftPeerWindow(bench, ids, bytes);
          else if (kind === "send") {
            const allowed = Math.min(bytes, bench.receiveWindow(0), bench.receiveWindow(id));
            bench.receive(bench.data(id, allowed));
            if (pipe !== undefined) pipe.sent += allowed;
          } else if (kind === "collect") bench.collect();
          else if (kind === "pause") pipe?.stream.pause();
          else pipe?.stream.resume();
          expect(bench.connection.outputBytes).toBeLessThan(30_000 + 2000);
        }
        for (const [i, pipe] of pipes.entries()) {
          pipe.stream.resume();
          bench.receive(bench.openWindow(ids[i] ?? 1, 10_000_000));
        }
        bench.receive(bench.openWindow(0, 30_000_000));
        bench.collect();
        expect(bench.failure).toBeUndefined();
        for (const pipe of pipes) {
          expect({ left: pipe.left, got: pipe.got }).toEqual({ left: 0, got: pipe.sent });
        }
        // What was consumed comes back: less than half a window is outstanding anywhere.
        for (const id of [0, ...ids])
          expect(bench.receiveWindow(id)).toBeGreaterThan(smallOptions.streamWindowBytes / 2);
      }),
      { numRuns: 60 },
    );
  });
});

/** One stream that owes bytes and takes bytes. */
class Pipe implements StreamHandler {
  readonly stream: H2Stream;
  left = 0;
  got = 0;
  sent = 0;

  constructor(stream: H2Stream) {
    this.stream = stream;
    stream.handle(this);
  }

  offer(bytes: number): void {
    this.left += bytes;
    this.onDrain();
  }

  onDrain(): void {
    if (this.left > 0) this.left -= this.stream.write(new Uint8Array(this.left));
  }

  onData(bytes: Uint8Array): void {
    this.got += bytes.length;
  }

  onEnd(): void {
    throw new Error("nobody ended it");
  }

  onClose(): void {
    throw new Error("nobody closed it");
  }
}

/** Changes the peer's INITIAL_WINDOW_SIZE and books it on every stream. */
function shiftPeerWindow(bench: Bench, ids: readonly number[], bytes: number): void {
  // What is on its way already was sent by the old window.
  bench.collect();
  const delta = bytes - bench.peerInitialWindow;
  for (const id of ids) bench.sendWindows.set(id, bench.sendWindow(id) + delta);
  bench.peerInitialWindow = bytes;
  bench.receive(frame(wire.settings, 0, 0, setting(4, bytes)));
}

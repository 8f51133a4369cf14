/** What fills the bounds that no rule of the protocol names: resets remembered, payloads collected, text of ours in GOAWAY. */
import { describe, expect, test } from "bun:test";
import {
  Bench,
  connectBlock,
  frame,
  literals,
  readFrames,
  smallOptions,
  uint32,
  wire,
} from "../../../tests/support/h2-peer.ts";
import { ConnectionState } from "./connection-state.ts";
import { errorCodes as code } from "./error-code.ts";
import { FrameSender } from "./frame-sender.ts";

const ping = frame(wire.ping, 0, 0, new Uint8Array(8));

/** What comes for a stream that is over. */
const late = (id: number): Uint8Array => frame(wire.data, 0, id, [1]);

const blockWith = (length: number): Uint8Array =>
  literals([":method", "CONNECT"], [":authority", "a:1"], ["x", "y".repeat(length)]);
const blockOf = (bytes: number): Uint8Array => blockWith(bytes - (blockWith(65_000).length - 65_000));

describe("resets of ours", () => {
  test("are remembered 256 at once: what was on its way is dropped in silence, but for the oldest", () => {
    const bench = Bench.ready("server");
    const ids = Array.from({ length: 257 }, (_, i) => i * 2 + 1);
    for (const id of ids) {
      bench.receive(frame(wire.headers, wire.endHeaders, id, connectBlock));
      bench.streams.at(-1)?.reset();
      // They were useful streams as far as anybody knows.
      bench.connection.refill();
    }
    bench.collect();
    bench.sent.length = 0;
    bench.receive(late(3), late(513));
    expect(bench.verdicts()).toEqual([]);
    bench.receive(late(1));
    expect(bench.verdicts()).toEqual([[1, code.streamClosed]]);
    // That reset is one of ours as well, and takes the place of the oldest.
    bench.receive(late(1));
    expect(bench.verdicts()).toHaveLength(1);
    bench.receive(late(3));
    expect(bench.verdicts().at(-1)).toEqual([3, code.streamClosed]);
    expect(bench.receive(ping)).toHaveLength(1);
  });
});

describe("a payload that is collected whole", () => {
  const large = { frameBytesMax: 1 << 20, headerListBytesMax: 1 << 20 };

  test("is at most 64 KiB, whatever frame size was announced", () => {
    const [most, more] = [65_536, 65_537].map(blockOf);
    if (most === undefined || more === undefined) throw new Error("two were made");
    expect([most.length, more.length]).toEqual([65_536, 65_537]);
    const bench = Bench.ready("server", large);
    bench.receive(frame(wire.headers, wire.endHeaders, 1, most));
    expect([bench.streams.length, bench.verdicts()]).toEqual([1, []]);
    // In two frames it is no more than a list.
    bench.receive(
      frame(wire.headers, 0, 3, more.subarray(0, 60_000)),
      frame(wire.continuation, wire.endHeaders, 3, more.subarray(60_000)),
    );
    expect([bench.streams.length, bench.verdicts()]).toEqual([2, []]);
    bench.receive(frame(wire.headers, wire.endHeaders, 5, more));
    expect([bench.streams.length, bench.verdicts()]).toEqual([2, [[0, code.enhanceYourCalm]]]);
  });

  test("is GOAWAY's up to there, and the rest of it is skipped", () => {
    const goaway = frame(wire.goaway, 0, 0, [...uint32(0), ...uint32(0), ...new Uint8Array(200_000)]);
    for (const pieces of [[goaway], [goaway.subarray(0, 100), goaway.subarray(100)]]) {
      const bench = Bench.ready("server", large);
      const [pong] = bench.receive(...pieces, ping);
      expect([bench.events, pong?.type, bench.verdicts()]).toEqual([[["goaway"]], wire.ping, []]);
    }
  });
});

test("our GOAWAY says why in at most 256 characters", () => {
  const state = new ConnectionState(
    { ...smallOptions, role: "server" },
    {
      onRequest() {},
      onOutput() {},
      onOutputFull() {},
      onGoaway() {},
      onPong() {},
      onStreamsChanged() {},
      onFailure() {},
    },
  );
  const sender = new FrameSender(state);
  sender.goaway(0, code.noError, "y".repeat(300));
  sender.goaway(0, code.noError, "short");
  const texts = readFrames(sender.view().slice()).map(({ payload }) =>
    new TextDecoder().decode(payload.subarray(8)),
  );
  expect(texts).toEqual(["y".repeat(256), "short"]);
});

import { expect, test } from "bun:test";
import { FakeClock } from "#host/fake/fake-clock.ts";
import { FakeStream } from "./fake/fake-stream.ts";
import type { UpstreamConnection } from "./upstream-connection.ts";
import { UpstreamPool } from "./upstream-pool.ts";

const context = { traceId: "0af7651916cd43dd8448eb211c80319c", spanId: "b7ad6b7169203331", sampled: false };
const nothing = { onInformational() {}, onHead() {}, onUpgrade() {}, onFailure() {}, onOver() {} };

class Bench {
  readonly clock = new FakeClock();
  readonly pool = new UpstreamPool({ clock: this.clock, idlePerKeyMax: 2, idleMax: 3, idleMs: 1000 });

  /** Opens a connection and lets one request pass, so that it is idle. */
  use(destination: string, caller: string): { connection: UpstreamConnection; stream: FakeStream } {
    const stream = new FakeStream();
    const connection = this.pool.adopt({ stream, context }, destination, caller);
    connection.send(
      {
        head: { method: "GET", target: "/", version: "1.1", headers: [] },
        framing: { kind: "none" },
        body: undefined,
        mayUpgrade: false,
      },
      {
        ...nothing,
        onHead: (_, __, body) => body.pipe({ onData() {}, onPause() {}, onEnd() {}, onAbort() {} }),
      },
    );
    stream.receive("HTTP/1.1 204 No Content\r\n\r\n");
    return { connection, stream };
  }
}

test("a connection comes back to its own caller and destination only", () => {
  const bench = new Bench();
  const { connection } = bench.use("i1", "cart");
  expect(bench.pool.take("i1", "web")).toBeUndefined();
  expect(bench.pool.take("i2", "cart")).toBeUndefined();
  expect(bench.pool.take("i1", "cart")).toBe(connection);
  expect([bench.pool.take("i1", "cart"), bench.pool.idleCount]).toEqual([undefined, 0]);
});

test("no more are kept idle than allowed, for one key and in all", () => {
  const bench = new Bench();
  const streams = [1, 2, 3].map(() => bench.use("i1", "cart").stream);
  expect([streams.map(({ isReset }) => isReset), bench.pool.idleCount]).toEqual([[false, false, true], 2]);
  bench.use("i2", "cart");
  expect(bench.use("i3", "cart").stream.isReset).toBe(true);
});

test("one that its peer closed is not taken", () => {
  const bench = new Bench();
  bench.use("i1", "cart").stream.peerEnd();
  expect([bench.pool.take("i1", "cart"), bench.pool.idleCount]).toEqual([undefined, 0]);
});

test("a destination's idle connections are closed together", () => {
  const bench = new Bench();
  const [gone, kept] = [bench.use("i1", "cart").stream, bench.use("i2", "cart").stream];
  bench.pool.closeIdleOf("i1");
  expect([gone.isReset, kept.isReset, bench.pool.idleCount]).toEqual([true, false, 1]);
  bench.pool.closeIdle();
  expect([kept.isReset, bench.pool.idleCount]).toEqual([true, 0]);
});

test("one that is idle for long is closed, and then no timer is left", () => {
  const bench = new Bench();
  const old = bench.use("i1", "cart").stream;
  bench.clock.advance(600);
  const young = bench.use("i1", "web").stream;
  bench.clock.advance(500);
  expect([old.isReset, young.isReset]).toEqual([true, false]);
  bench.clock.advance(2000);
  expect([young.isReset, bench.pool.idleCount, bench.clock.pending]).toEqual([true, 0, 0]);
});

test("retire() closes idle ones now and those in use after their request", () => {
  const bench = new Bench();
  const [idle, busy] = [bench.use("i1", "cart"), bench.use("i2", "cart")];
  bench.pool.take("i2", "cart");
  busy.connection.send(
    {
      head: { method: "GET", target: "/", version: "1.1", headers: [] },
      framing: { kind: "none" },
      body: undefined,
      mayUpgrade: false,
    },
    {
      ...nothing,
      onHead: (_, __, body) => body.pipe({ onData() {}, onPause() {}, onEnd() {}, onAbort() {} }),
    },
  );
  bench.pool.retire();
  expect([idle.stream.isReset, busy.stream.isReset]).toEqual([true, false]);
  busy.stream.receive("HTTP/1.1 204 No Content\r\n\r\n");
  expect([busy.stream.isReset, bench.pool.idleCount]).toEqual([true, 0]);
});

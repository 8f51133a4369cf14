import { expect, test } from "bun:test";
import { FakeClock } from "#host/fake/fake-clock.ts";
import { Connections } from "./connections.ts";
import { FakeStream, settled } from "./fake/fake-stream.ts";
import { makeExchange } from "./fake/make-exchange.ts";

test("connections: bounded, expired when idle, cut when denied, drained", async () => {
  const clock = new FakeClock();
  const connections = new Connections({ clock, connectionsMax: 2, idleMs: 1000 });
  const exchanges = [makeExchange(), makeExchange()];
  const streams = exchanges.map((exchange) => {
    const stream = new FakeStream();
    connections.serve(stream, {
      begin: () => exchange,
      run: () => new Promise(() => {}),
      finish() {},
      onProblem() {},
    });
    return stream;
  });
  expect([connections.count, connections.isFull]).toEqual([2, true]);
  streams[0]?.receive("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  clock.advance(1500);
  expect(streams.map(({ isEnded }) => isEnded)).toEqual([false, true]);
  connections.cutDenied((exchange) => exchange === exchanges[1]);
  expect(streams[0]?.isReset).toBe(false);
  connections.cutDenied((exchange) => exchange === exchanges[0]);
  expect(streams[0]?.isReset).toBe(true);
  connections.drain();
  connections.cut();
  await settled();
  expect([connections.count, exchanges[0]?.flag]).toEqual([0, "DC"]);
});

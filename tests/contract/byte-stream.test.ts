/** What every ByteStream promises, held against a TCP connection and a tunnel's stream alike, on real sockets. */
import { afterAll, describe, expect, test } from "bun:test";
import type { ByteStream, ByteStreamHandler } from "#host/byte-stream.ts";
import { openTunnel } from "#host/tunnel/open-tunnel.ts";
import { connectStream, listenStreams } from "#host/tunnel/socket-stream.ts";
import { listenTunnels } from "#host/tunnel/tunnel-listener.ts";
import { makeTestCa } from "../support/test-ca.ts";
import { waitUntil } from "../support/wait-until.ts";

type Pair = readonly [near: ByteStream, far: ByteStream];

const loopback = { kind: "address", hostname: "127.0.0.1" } as const;
const cleanUps: (() => void)[] = [];
afterAll(() => {
  for (const cleanUp of cleanUps) cleanUp();
});

/** Makes pairs of TCP connections. */
function tcpPairs(): () => Promise<Pair> {
  const waiting: ((stream: ByteStream) => void)[] = [];
  const listener = listenStreams({ ...loopback, port: 0 }, (stream) => waiting.shift()?.(stream));
  cleanUps.push(() => listener.close());
  return async () => {
    const { promise, resolve } = Promise.withResolvers<ByteStream>();
    waiting.push(resolve);
    const near = await connectStream({ ...loopback, port: listener.port ?? 0 });
    return [near, await promise];
  };
}

/** Makes pairs of streams of one tunnel. */
async function tunnelPairs(): Promise<() => Promise<Pair>> {
  const ca = makeTestCa();
  const web = ca.issue("ns/shop/sa/web");
  const cart = ca.issue("ns/shop/sa/cart");
  const waiting: ((stream: ByteStream) => void)[] = [];
  const listener = listenTunnels({
    target: { ...loopback, port: 0 },
    choose: () => ({
      certificate: cart,
      onConnect: (_request, responder) => waiting.shift()?.(responder.accept()),
    }),
  });
  const tunnel = await openTunnel({
    dial: { ...loopback, port: listener.port ?? 0 },
    certificate: web,
    expectedPeers: new Set([cart.identity]),
  });
  cleanUps.push(() => {
    tunnel.close();
    listener.close();
  });
  return async () => {
    const { promise, resolve } = Promise.withResolvers<ByteStream>();
    waiting.push(resolve);
    const outcome = await tunnel.connect([
      [":method", "CONNECT"],
      [":authority", "10.0.0.1:80"],
    ]);
    if (outcome.kind !== "opened") throw new Error(`refused with ${outcome.status}`);
    return [outcome.stream, await promise];
  };
}

/** Remembers what a stream told. */
class Listener implements ByteStreamHandler {
  text = "";
  drains = 0;
  readonly events: string[] = [];

  constructor(stream: ByteStream) {
    stream.handle(this);
  }

  onData(bytes: Uint8Array): void {
    this.text += new TextDecoder().decode(bytes);
  }

  onDrain(): void {
    this.drains++;
  }

  onEnd(): void {
    this.events.push("end");
  }

  onClose(error?: Error): void {
    this.events.push(error === undefined ? "close" : "close with an error");
  }
}

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

/** Writes all of it, waiting for room where there is none. */
function writeAll(
  stream: ByteStream,
  block: Uint8Array,
): { readonly isDone: () => boolean; readonly handler: Listener } {
  let rest = block;
  const handler = new Listener(stream);
  handler.onDrain = () => {
    rest = rest.subarray(stream.write(rest));
  };
  handler.onDrain();
  return { isDone: () => rest.length === 0, handler };
}

const kinds: readonly (readonly [name: string, make: () => Promise<Pair>])[] = [
  ["a TCP connection", tcpPairs()],
  ["a tunnel's stream", await tunnelPairs()],
];

describe.each(kinds)("%s", (_name, makePair) => {
  test("carries bytes both ways, ends each way on its own, and closes once", async () => {
    const [near, far] = await makePair();
    const [nearHears, farHears] = [new Listener(near), new Listener(far)];
    near.write(bytes("to far"));
    near.end();
    near.end();
    await waitUntil("the end came", () => farHears.events.length > 0);
    expect([farHears.text, farHears.events, nearHears.events]).toEqual(["to far", ["end"], []]);
    far.write(bytes("to near"));
    far.end();
    await waitUntil("both closed", () => nearHears.events.length + farHears.events.length === 4);
    expect([nearHears.text, nearHears.events, farHears.events]).toEqual([
      "to near",
      ["end", "close"],
      ["end", "close"],
    ]);
    expect([near.write(bytes("x")), far.write(bytes("x"))]).toEqual([0, 0]);
  });

  test("has taken a copy: what was written may be overwritten at once", async () => {
    const [near, far] = await makePair();
    const farHears = new Listener(far);
    const block = bytes("before");
    near.write(block);
    block.fill(0x2e);
    near.end();
    await waitUntil("the end came", () => farHears.events.length > 0);
    expect(farHears.text).toBe("before");
    far.reset();
  });

  test("holds everything until it has a handler, also its end", async () => {
    const [near, far] = await makePair();
    const nearHears = new Listener(near);
    near.write(bytes("early"));
    near.end();
    far.write(bytes("sign"));
    await waitUntil("the sign came back", () => nearHears.text === "sign");
    const farHears = new Listener(far);
    await waitUntil("the end came", () => farHears.events.length > 0);
    expect([farHears.text, farHears.events]).toEqual(["early", ["end"]]);
    far.reset();
  });

  test("says nothing while paused, then all of it", async () => {
    const [near, far] = await makePair();
    const [nearHears, farHears] = [new Listener(near), new Listener(far)];
    far.pause();
    near.write(bytes("held"));
    near.end();
    far.write(bytes("sign"));
    await waitUntil("the sign came", () => nearHears.text === "sign");
    expect([farHears.text, farHears.events]).toEqual(["", []]);
    far.resume();
    await waitUntil("the end came", () => farHears.events.length > 0);
    expect(farHears.text).toBe("held");
    far.reset();
  });

  test("can be paused by its handler, without losing what follows", async () => {
    const [near, far] = await makePair();
    const farHears = new Listener(far);
    const pieces: number[] = [];
    farHears.onData = (piece) => {
      pieces.push(piece.length);
      far.pause();
      setImmediate(() => far.resume());
    };
    const { isDone } = writeAll(near, new Uint8Array(3_000_000));
    await waitUntil("all was taken", isDone);
    near.end();
    await waitUntil("the end came", () => farHears.events.length > 0);
    expect(pieces.reduce((sum, length) => sum + length, 0)).toBe(3_000_000);
    far.reset();
  });

  test("takes a bounded amount from a writer whose reader pauses, and says when there is room", async () => {
    const [near, far] = await makePair();
    const farHears = new Listener(far);
    far.pause();
    const block = new Uint8Array(64 << 20);
    const { isDone, handler } = writeAll(near, block);
    far.write(bytes("sign"));
    await waitUntil("the sign came", () => handler.text === "sign");
    expect(isDone()).toBe(false);
    let received = 0;
    farHears.onData = (piece) => {
      received += piece.length;
    };
    far.resume();
    await waitUntil("all was taken", isDone);
    near.end();
    await waitUntil("the end came", () => farHears.events.length > 0);
    expect(received).toBe(block.length);
    far.reset();
  });

  test("passes a reset on, and tells both ends once", async () => {
    const [near, far] = await makePair();
    const [nearHears, farHears] = [new Listener(near), new Listener(far)];
    near.reset();
    near.reset();
    expect(near.write(bytes("x"))).toBe(0);
    await waitUntil("both closed", () => nearHears.events.length + farHears.events.length === 2);
    far.reset();
    expect([nearHears.events, farHears.events]).toEqual([["close with an error"], ["close with an error"]]);
  });

  test("passes a reset on to a reader who pauses and writes", async () => {
    const [near, far] = await makePair();
    const farHears = new Listener(far);
    far.pause();
    near.write(bytes("lost"));
    near.reset();
    const nearHears = new Listener(near);
    // A write may be what hears of the reset; the reader must not take what follows for an end.
    far.write(bytes("x"));
    await waitUntil("nothing is taken any more", () => far.write(bytes("x")) === 0);
    far.resume();
    await waitUntil("the reset came", () => farHears.events.length > 0);
    expect([farHears.events, nearHears.events]).toEqual([["close with an error"], ["close with an error"]]);
  });

  test("can change hands in the middle", async () => {
    const [near, far] = await makePair();
    const first = new Listener(far);
    near.write(bytes("one"));
    await waitUntil("one came", () => first.text === "one");
    const second = new Listener(far);
    near.write(bytes("two"));
    near.end();
    await waitUntil("the end came", () => second.events.length > 0);
    expect([first.text, first.events, second.text, second.events]).toEqual(["one", [], "two", ["end"]]);
    far.reset();
  });
});

/** Plain TCP as byte streams: half-close, resets, pauses and what arrives before a handler, on real sockets. */
import { describe, expect, test } from "bun:test";
import type { ByteStream } from "../byte-stream.ts";
import { connectStream, listenStreams } from "./socket-stream.ts";
import type { SocketStream } from "./tcp-stream.ts";
import type { TunnelError } from "./tunnel-error.ts";

/** Writes down what a stream tells, and can be waited on. */
class Recorder {
  readonly events: string[] = [];
  text = "";
  readonly #waiters: { readonly isMet: () => boolean; readonly resolve: () => void }[] = [];

  constructor(stream: ByteStream, onDrain: () => void = () => undefined) {
    stream.handle({
      onData: (bytes) => {
        this.text += new TextDecoder().decode(bytes);
        this.#note();
      },
      onDrain,
      onEnd: () => this.#note("end"),
      onClose: (error) => this.#note(error === undefined ? "close" : "close with an error"),
    });
  }

  async until(isMet: () => boolean): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiters.push({ isMet, resolve });
    this.#note();
    await promise;
  }

  async untilEvent(event: string): Promise<void> {
    await this.until(() => this.events.includes(event));
  }

  #note(event?: string): void {
    if (event !== undefined) this.events.push(event);
    for (const waiter of this.#waiters) if (waiter.isMet()) waiter.resolve();
  }
}

async function pair(): Promise<{
  readonly near: SocketStream;
  readonly far: SocketStream;
  readonly close: () => void;
}> {
  const accepted = Promise.withResolvers<SocketStream>();
  const listener = listenStreams({ kind: "address", hostname: "127.0.0.1", port: 0 }, accepted.resolve);
  const near = await connectStream({ kind: "address", hostname: "127.0.0.1", port: listener.port ?? 0 });
  return { near, far: await accepted.promise, close: () => listener.close() };
}

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

describe("a TCP stream", () => {
  test("keeps what comes before its handler, ends each way on its own, and closes once", async () => {
    const { near, far, close } = await pair();
    near.write(bytes("early"));
    near.end();
    const nearSees = new Recorder(near);
    const farSees = new Recorder(far);
    await farSees.untilEvent("end");
    expect(farSees.text).toBe("early");
    far.write(bytes("late"));
    far.end();
    await Promise.all([nearSees.untilEvent("close"), farSees.untilEvent("close")]);
    expect({ near: nearSees.events, far: farSees.events, text: nearSees.text }).toEqual({
      near: ["end", "close"],
      far: ["end", "close"],
      text: "late",
    });
    expect([near.write(bytes("x")), far.write(bytes("x"))]).toEqual([0, 0]);
    close();
  });

  test("passes a reset on as an error, at both ends", async () => {
    const { near, far, close } = await pair();
    const nearSees = new Recorder(near);
    const farSees = new Recorder(far);
    near.reset();
    near.reset();
    await Promise.all([
      nearSees.untilEvent("close with an error"),
      farSees.untilEvent("close with an error"),
    ]);
    expect([nearSees.events, farSees.events]).toEqual([["close with an error"], ["close with an error"]]);
    close();
  });

  test("delivers nothing while paused, and everything after", async () => {
    const { near, far, close } = await pair();
    const farSees = new Recorder(far);
    near.write(bytes("one"));
    await farSees.until(() => farSees.text === "one");
    far.pause();
    near.write(bytes("two"));
    near.end();
    // A round trip in the other direction: by then "two" has long arrived.
    const nearSees = new Recorder(near);
    far.write(bytes("meanwhile"));
    await nearSees.until(() => nearSees.text === "meanwhile");
    expect([farSees.text, farSees.events]).toEqual(["one", []]);
    far.resume();
    await farSees.untilEvent("end");
    expect(farSees.text).toBe("onetwo");
    far.reset();
    close();
  });

  test("takes no more than the kernel does, and says when there is room again", async () => {
    const { near, far, close } = await pair();
    const block = new Uint8Array(1 << 20);
    let sent = 0;
    const drained = Promise.withResolvers<void>();
    const nearSees = new Recorder(near, () => drained.resolve());
    for (;;) {
      const taken = near.write(block);
      sent += taken;
      if (taken < block.length) break;
    }
    const farSees = new Recorder(far);
    await drained.promise;
    near.end();
    await farSees.untilEvent("end");
    expect([farSees.text.length, nearSees.events]).toEqual([sent, []]);
    far.reset();
    close();
  });

  test("knows both addresses", async () => {
    const { near, far, close } = await pair();
    expect(near.localAddress).toEqual(far.peerAddress);
    expect(near.peerAddress).toEqual(far.localAddress);
    expect(near.fd).toBeGreaterThan(2);
    near.reset();
    close();
  });
});

describe("connectStream()", () => {
  test("says connect when it is refused", async () => {
    const listener = listenStreams({ kind: "address", hostname: "127.0.0.1", port: 0 }, () => undefined);
    const port = listener.port ?? 0;
    listener.close();
    const failed = connectStream({ kind: "address", hostname: "127.0.0.1", port });
    expect(await failed.catch((error: TunnelError) => error.code)).toBe("connect");
  });
});

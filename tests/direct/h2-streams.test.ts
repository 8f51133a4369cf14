/** Many spliced streams at once through one tunnel with tight limits: every byte comes back in order, and every stream ends. */
import { describe, expect, test } from "bun:test";
import type { ByteStream } from "#host/byte-stream.ts";
import { openTunnel } from "#host/tunnel/open-tunnel.ts";
import { connectStream, listenStreams } from "#host/tunnel/socket-stream.ts";
import { splice } from "#host/tunnel/splice.ts";
import { listenTunnels } from "#host/tunnel/tunnel-listener.ts";
import type { TunnelLimits } from "#host/tunnel/tunnel-limits.ts";
import { makeTestCa } from "../support/test-ca.ts";
import { waitUntil } from "../support/wait-until.ts";

const ca = makeTestCa();
const web = ca.issue("ns/shop/sa/web");
const cart = ca.issue("ns/shop/sa/cart");
const loopback = { kind: "address", hostname: "127.0.0.1" } as const;

interface Row {
  readonly name: string;
  readonly limits: Partial<TunnelLimits>;
  readonly bytes: number;
}

const rows: readonly Row[] = [
  { name: "the usual limits", limits: {}, bytes: 1 << 20 },
  {
    name: "windows smaller than a frame, and hardly any output",
    limits: {
      streamWindowBytes: 5000,
      connectionWindowBytes: 65_535,
      outputBytesMax: 12_000,
      frameBytesMax: 16_384,
    },
    bytes: 40_000,
  },
  {
    name: "one connection window for all of it",
    limits: { streamWindowBytes: 65_535, connectionWindowBytes: 65_535, outputBytesMax: 20_000 },
    bytes: 200_000,
  },
];

describe("a hundred streams through one tunnel", () => {
  test.each([...rows])(
    "with $name",
    async ({ limits, bytes }) => {
      const ends: unknown[] = [];
      const echo = listenStreams({ ...loopback, port: 0 }, (stream) => splice(stream, mirror()));
      const inbound = listenTunnels({
        target: { ...loopback, port: 0 },
        choose: () => ({
          certificate: cart,
          limits,
          onConnect: (_request, responder) => {
            void connectStream({ ...loopback, port: echo.port ?? 0 }).then((upstream) =>
              splice(responder.accept(), upstream, (end) => ends.push(end.error)),
            );
          },
        }),
      });
      const tunnel = await openTunnel({
        dial: { ...loopback, port: inbound.port ?? 0 },
        certificate: web,
        expectedPeers: new Set([cart.identity]),
        limits,
      });
      const results = await Promise.all(
        Array.from({ length: 100 }, async (_, i) => {
          const outcome = await tunnel.connect([
            [":method", "CONNECT"],
            [":authority", "10.0.0.1:80"],
          ]);
          if (outcome.kind !== "opened") throw new Error(`refused with ${outcome.status}`);
          return await exchange(outcome.stream, pattern(i, bytes));
        }),
      );
      expect(results.filter((isSame) => !isSame)).toEqual([]);
      await waitUntil("every splice ended", () => ends.length === 100);
      expect([tunnel.streamsOpen, ends.filter((error) => error !== undefined)]).toEqual([0, []]);
      tunnel.close();
      inbound.close();
      echo.close();
    },
    30_000,
  );
});

/** The other half of an echo: what is written to it is what it says. */
function mirror(): ByteStream {
  let handler: Parameters<ByteStream["handle"]>[0] | undefined;
  let isPaused = false;
  let hasEnded = false;
  const close = (): void => handler?.onClose();
  return {
    write(bytes) {
      if (isPaused || hasEnded) return 0;
      handler?.onData(bytes);
      return bytes.length;
    },
    end() {
      hasEnded = true;
      handler?.onEnd();
      close();
    },
    reset: close,
    pause() {
      isPaused = true;
    },
    resume() {
      isPaused = false;
      // Its writer was refused meanwhile, and is told that there is room.
      if (handler !== undefined && !hasEnded) queueMicrotask(() => handler?.onDrain());
    },
    handle(next) {
      handler = next;
    },
  };
}

function pattern(seed: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  let state = seed * 2_654_435_761 + 1;
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) | 0;
    bytes[i] = state >>> 16;
  }
  return bytes;
}

/** Sends all of it and compares what comes back, byte for byte. */
async function exchange(stream: ByteStream, bytes: Uint8Array): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  let sent = 0;
  let received = 0;
  let isSame = true;
  const pump = (): void => {
    while (sent < bytes.length) {
      const taken = stream.write(bytes.subarray(sent, sent + 30_000));
      sent += taken;
      if (taken < Math.min(30_000, bytes.length - sent + taken)) return;
    }
    stream.end();
  };
  stream.handle({
    onData: (piece) => {
      isSame &&= Buffer.from(piece).equals(Buffer.from(bytes.subarray(received, received + piece.length)));
      received += piece.length;
    },
    onDrain: pump,
    onEnd: () => undefined,
    onClose: (error) => resolve(error === undefined && isSame && received === bytes.length),
  });
  pump();
  return await promise;
}

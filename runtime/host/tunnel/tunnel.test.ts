/** Both ends of a tunnel over real sockets: answers now and later, early bytes, giving up, draining, keep-alive, and closing. */
import { afterEach, describe, expect, test } from "bun:test";
import type { HeaderField } from "#core/h2/header-field.ts";
import type { ByteStream } from "../byte-stream.ts";
import { FakeClock } from "../fake/fake-clock.ts";
import { makeTestCa } from "../../../tests/support/test-ca.ts";
import { waitUntil } from "../../../tests/support/wait-until.ts";
import { openTunnel } from "./open-tunnel.ts";
import type { ServeTunnelOptions } from "./serve-tunnel.ts";
import type { TunnelError } from "./tunnel-error.ts";
import { listenTunnels, type TunnelListener } from "./tunnel-listener.ts";
import type { TunnelLimits } from "./tunnel-limits.ts";
import type { ConnectOutcome, Tunnel, TunnelRequest, TunnelResponder } from "./tunnel.ts";

const ca = makeTestCa();
const web = ca.issue("ns/shop/sa/web");
const cart = ca.issue("ns/shop/sa/cart");
const headers: readonly HeaderField[] = [
  [":method", "CONNECT"],
  [":authority", "10.0.0.1:80"],
];

const open: TunnelListener[] = [];
afterEach(() => {
  for (const listener of open.splice(0)) listener.close();
});

interface Ends {
  readonly tunnel: Tunnel;
  readonly listener: TunnelListener;
  readonly closed: Promise<TunnelError | undefined>;
  readonly served: Promise<TunnelError | undefined>;
  readonly clock: FakeClock;
}

async function setUp(
  onConnect: (request: TunnelRequest, responder: TunnelResponder) => void,
  options: { readonly server?: Partial<ServeTunnelOptions>; readonly client?: Partial<TunnelLimits> } = {},
): Promise<Ends> {
  const clock = new FakeClock();
  const served = Promise.withResolvers<TunnelError | undefined>();
  const closed = Promise.withResolvers<TunnelError | undefined>();
  const listener = listenTunnels({
    target: { kind: "address", hostname: "127.0.0.1", port: 0 },
    choose: () => ({
      certificate: cart,
      onConnect,
      onClose: served.resolve,
      clock: new FakeClock(),
      ...options.server,
    }),
  });
  open.push(listener);
  const tunnel = await openTunnel({
    dial: { kind: "address", hostname: "127.0.0.1", port: listener.port ?? 0 },
    certificate: web,
    expectedPeers: new Set([cart.identity]),
    clock,
    ...(options.client === undefined ? {} : { limits: options.client }),
  });
  tunnel.onClose(closed.resolve);
  return { tunnel, listener, closed: closed.promise, served: served.promise, clock };
}

/** Collects what a stream says. */
function record(stream: ByteStream): { text: string; readonly events: string[] } {
  const seen = { text: "", events: [] as string[] };
  stream.handle({
    onData: (bytes) => {
      seen.text += new TextDecoder().decode(bytes);
    },
    onDrain: () => undefined,
    onEnd: () => seen.events.push("end"),
    onClose: (error) => seen.events.push(error === undefined ? "close" : "close with an error"),
  });
  return seen;
}

function streamOf(outcome: ConnectOutcome): ByteStream {
  if (outcome.kind === "opened") return outcome.stream;
  throw new Error(`refused with ${outcome.status}`);
}

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

describe("a tunnel", () => {
  test("carries both directions, each with its own end", async () => {
    const accepted = Promise.withResolvers<ByteStream>();
    const requests: TunnelRequest[] = [];
    const { tunnel } = await setUp((request, responder) => {
      requests.push(request);
      accepted.resolve(responder.accept([["baggage", "x=1"]]));
    });
    const outcome = await tunnel.connect(headers);
    expect(outcome.headers).toEqual([
      [":status", "200"],
      ["baggage", "x=1"],
    ]);
    const near = streamOf(outcome);
    const far = await accepted.promise;
    const nearSees = record(near);
    const farSees = record(far);
    near.write(bytes("question"));
    near.end();
    await waitUntil("the question came", () => farSees.events.includes("end"));
    far.write(bytes("answer"));
    far.end();
    await waitUntil("both closed", () => nearSees.events.length + farSees.events.length === 4);
    expect([nearSees, farSees]).toEqual([
      { text: "answer", events: ["end", "close"] },
      { text: "question", events: ["end", "close"] },
    ]);
    expect(tunnel.streamsOpen).toBe(0);
    expect(requests).toEqual([
      {
        headers,
        authority: "10.0.0.1:80",
        peer: web.identity,
        peerAddress: tunnel.localAddress,
        localAddress: tunnel.peerAddress,
      },
    ]);
  });

  test("holds what comes with the answer until its user is ready", async () => {
    const { tunnel } = await setUp((_request, responder) => {
      const stream = responder.accept();
      stream.write(bytes("welcome"));
      stream.end();
    });
    const outcome = await tunnel.connect(headers);
    // A turn of the loop later all of it is here.
    await waitUntil("the server's end was seen", () => new Promise((resolve) => setImmediate(resolve, true)));
    const seen = record(streamOf(outcome));
    await waitUntil("the welcome came", () => seen.events.includes("end"));
    expect(seen.text).toBe("welcome");
  });

  test("passes a reset on, both ways", async () => {
    const accepted: ByteStream[] = [];
    const { tunnel } = await setUp((_request, responder) => accepted.push(responder.accept()));
    const first = streamOf(await tunnel.connect(headers));
    const second = streamOf(await tunnel.connect(headers));
    const seen = [first, second, ...accepted].map(record);
    first.reset();
    accepted[1]?.reset();
    await waitUntil("all four closed", () => seen.every(({ events }) => events.length === 1));
    expect(seen.map(({ events }) => events[0])).toEqual(seen.map(() => "close with an error"));
    expect(tunnel.isReady).toBe(true);
  });

  test("tells the server when the caller gives up before the answer", async () => {
    const abandoned = Promise.withResolvers<string>();
    const { tunnel, clock } = await setUp(
      (_request, responder) => {
        responder.onAbandoned(() => {
          // An answer that comes too late harms nobody, and its stream says that it is over.
          const seen = record(responder.accept());
          abandoned.resolve(seen.events.join());
        });
      },
      { client: { answerTimeoutMs: 500, pingIntervalMs: 60_000 } },
    );
    const answer = tunnel.connect(headers);
    await waitUntil("the request left", () => new Promise((resolve) => setImmediate(resolve, true)));
    clock.advance(500);
    expect(await answer.catch((error: TunnelError) => error.code)).toBe("timeout");
    expect(await abandoned.promise).toBe("close with an error");
    expect(tunnel.streamsOpen).toBe(0);
  });

  test("refuses what is not CONNECT with 400", async () => {
    const { tunnel } = await setUp(() => {
      throw new Error("not to be called");
    });
    const outcome = await tunnel.connect([
      [":method", "GET"],
      [":scheme", "https"],
      [":authority", "a"],
      [":path", "/"],
    ]);
    expect(outcome).toMatchObject({ kind: "refused", status: 400 });
  });

  test("dies alone when its user's code throws", async () => {
    const { tunnel, closed, served } = await setUp(() => {
      throw new Error("a bug");
    });
    expect(await tunnel.connect(headers).catch((error: TunnelError) => error.code)).toBe("reset");
    expect([(await served)?.message, (await closed)?.code]).toEqual([
      "Cannot keep the tunnel as open: a bug",
      "reset",
    ]);
  });

  test("is not begun when choosing throws, or knows nobody at the address", async () => {
    const errors: unknown[] = [];
    for (const bug of [new Error("a bug"), undefined]) {
      const listener = listenTunnels({
        target: { kind: "address", hostname: "127.0.0.1", port: 0 },
        choose: () => {
          if (bug !== undefined) throw bug;
          return undefined;
        },
        onError: (error) => errors.push(error),
      });
      open.push(listener);
      const opened = openTunnel({
        dial: { kind: "address", hostname: "127.0.0.1", port: listener.port ?? 0 },
        certificate: web,
        expectedPeers: new Set([cart.identity]),
      });
      expect(["connect", "tls"]).toContain(await opened.then(String, (error: TunnelError) => error.code));
    }
    expect(errors).toEqual([new Error("a bug")]);
  });

  test("beyond a listener's limit is closed before TLS, and taken again once another has closed", async () => {
    let chosen = 0;
    const listener = listenTunnels({
      target: { kind: "address", hostname: "127.0.0.1", port: 0 },
      tunnelsMax: 2,
      choose: () => {
        chosen++;
        return { certificate: cart, onConnect: (_request, responder) => responder.refuse(403) };
      },
    });
    open.push(listener);
    const dial = (): Promise<Tunnel> =>
      openTunnel({
        dial: { kind: "address", hostname: "127.0.0.1", port: listener.port ?? 0 },
        certificate: web,
        expectedPeers: new Set([cart.identity]),
      });
    const [first, second] = await Promise.all([dial(), dial()]);
    expect(["connect", "tls"]).toContain(await dial().then(String, (error: TunnelError) => error.code));
    expect([listener.tunnelsOpen, chosen]).toEqual([2, 2]);
    // Those that are open go on.
    expect(await first.connect(headers)).toMatchObject({ status: 403 });
    second.close();
    await waitUntil("there is room", () => listener.tunnelsOpen === 1);
    expect(await (await dial()).connect(headers)).toMatchObject({ status: 403 });
    expect([listener.tunnelsOpen, chosen]).toEqual([2, 3]);
  });

  test("opens no more streams than the peer allows", async () => {
    const { tunnel } = await setUp((_request, responder) => responder.accept(), {
      server: { limits: { streamsMax: 2 } },
    });
    await tunnel.connect(headers);
    await waitUntil("the peer's settings came", () => tunnel.streamsMax === 2);
    await tunnel.connect(headers);
    expect([tunnel.isReady, tunnel.streamsOpen]).toEqual([false, 2]);
    expect(await tunnel.connect(headers).catch((error: TunnelError) => error.code)).toBe("exhausted");
  });
});

describe("the end of a tunnel", () => {
  const endings: readonly (readonly [name: string, end: (listener: TunnelListener) => void])[] = [
    ["drained", (listener) => listener.drain()],
    ["closed", (listener) => listener.close()],
  ];
  test.each(endings)("%s before its handshake: it just ends", async (_name, end) => {
    const served = Promise.withResolvers<TunnelError | undefined>();
    const closed = Promise.withResolvers<void>();
    const accepted = Promise.withResolvers<void>();
    const listener = listenTunnels({
      target: { kind: "address", hostname: "127.0.0.1", port: 0 },
      choose: () => {
        accepted.resolve();
        return { certificate: cart, onConnect: () => undefined, onClose: served.resolve };
      },
    });
    await Bun.connect({
      hostname: "127.0.0.1",
      port: listener.port ?? 0,
      socket: { data: () => undefined, close: () => closed.resolve() },
    });
    await accepted.promise;
    expect(listener.tunnelsOpen).toBe(1);
    end(listener);
    await closed.promise;
    expect([(await served.promise)?.code, listener.tunnelsOpen]).toEqual(["closed", 0]);
  });

  test("drained by the server: streams live on, none is opened, then both close in order", async () => {
    const { tunnel, listener, closed, served } = await setUp((_request, responder) =>
      record(responder.accept()),
    );
    const stream = streamOf(await tunnel.connect(headers));
    const seen = record(stream);
    listener.drain();
    await waitUntil("GOAWAY came", () => !tunnel.isReady);
    expect(await tunnel.connect(headers).catch((error: TunnelError) => error.code)).toBe("unprocessed");
    expect([seen.events, tunnel.streamsOpen]).toEqual([[], 1]);
    stream.reset();
    expect([await closed, await served]).toEqual([undefined, undefined]);
  });

  test("drained by the client without streams: both close in order", async () => {
    const { tunnel, closed, served } = await setUp(() => undefined);
    tunnel.drain();
    expect([await closed, await served]).toEqual([undefined, undefined]);
    const told: unknown[] = [];
    tunnel.onClose((error) => told.push(error));
    expect([told, tunnel.isReady]).toEqual([[undefined], false]);
  });

  test("closed by the server: streams end with an error", async () => {
    const { tunnel, listener, closed, served } = await setUp((_request, responder) =>
      record(responder.accept()),
    );
    const seen = record(streamOf(await tunnel.connect(headers)));
    listener.close();
    await Promise.all([closed, served]);
    expect(seen.events).toEqual(["close with an error"]);
    expect(listener.tunnelsOpen).toBe(0);
  });

  test("a peer that answers no ping is given up", async () => {
    // Time passes in one step here: no answer can come in between.
    const { tunnel, closed, clock } = await setUp(() => undefined, {
      client: { pingIntervalMs: 10, pingTimeoutMs: 20 },
    });
    clock.advance(10);
    clock.advance(20);
    expect((await closed)?.code).toBe("timeout");
    expect(tunnel.isReady).toBe(false);
    expect(clock.pending).toBe(0);
  });

  test("answered pings keep it, and leave one timer", async () => {
    const { tunnel, clock } = await setUp((_request, responder) => responder.refuse(403));
    for (let i = 0; i < 3; i++) {
      clock.advance(10_000);
      // Answers come in order: once a request is answered, so was the ping before it.
      expect(await tunnel.connect(headers)).toMatchObject({ status: 403 });
      expect(clock.pending).toBe(1);
    }
    expect(tunnel.isReady).toBe(true);
  });

  test("a handshake that a caller does not begin is given up", async () => {
    const clock = new FakeClock();
    const accepted = Promise.withResolvers<void>();
    const served = Promise.withResolvers<TunnelError | undefined>();
    const closed = Promise.withResolvers<void>();
    const listener = listenTunnels({
      target: { kind: "address", hostname: "127.0.0.1", port: 0 },
      choose: () => {
        accepted.resolve();
        return { certificate: cart, onConnect: () => undefined, onClose: served.resolve, clock };
      },
    });
    open.push(listener);
    await Bun.connect({
      hostname: "127.0.0.1",
      port: listener.port ?? 0,
      socket: { data: () => undefined, close: () => closed.resolve() },
    });
    await accepted.promise;
    expect(listener.tunnelsOpen).toBe(1);
    clock.advance(10_000);
    await closed.promise;
    expect([(await served.promise)?.code, listener.tunnelsOpen, clock.pending]).toEqual(["timeout", 0, 0]);
  });

  test("a handshake that does not come is given up", async () => {
    const clock = new FakeClock();
    const silent = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data: () => undefined } });
    const opened = openTunnel({
      dial: { kind: "address", hostname: "127.0.0.1", port: silent.port },
      certificate: web,
      expectedPeers: new Set([cart.identity]),
      clock,
    });
    clock.advance(10_000);
    expect(await opened.catch((error: TunnelError) => error.code)).toBe("timeout");
    expect(clock.pending).toBe(0);
    silent.stop(true);
  });
});

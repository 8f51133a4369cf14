/** The pool over fake tunnels: who shares, who does not, how many there are, and when they go. */
import { describe, expect, test } from "bun:test";
import { parseIp } from "#core/address/ip.ts";
import type { HeaderField } from "#core/h2/header-field.ts";
import type { SpiffeId } from "#core/identity/spiffe-id.ts";
import { FakeClock } from "../fake/fake-clock.ts";
import { spiffeId } from "../../../tests/support/test-ca.ts";
import type { OpenTunnelOptions } from "./open-tunnel.ts";
import { makeTunnelPool, type TunnelPool, type TunnelPoolOptions, type TunnelRoute } from "./tunnel-pool.ts";
import type { TunnelKey } from "./tunnel-key.ts";
import { TunnelError } from "./tunnel-error.ts";
import type { ConnectOutcome, Tunnel } from "./tunnel.ts";

const web = spiffeId("ns/shop/sa/web");
const cart = spiffeId("ns/shop/sa/cart");
const price = spiffeId("ns/shop/sa/price");
const headers: readonly HeaderField[] = [[":method", "CONNECT"]];
const route: TunnelRoute = {
  certificate: { identity: web, keyPem: "", chainPem: "", rootsPem: "" },
  dial: () => ({ kind: "fd", fd: -1 }),
};

function key(
  changes: {
    readonly source?: SpiffeId;
    readonly from?: string;
    readonly to?: readonly SpiffeId[];
    readonly at?: string;
  } = {},
): TunnelKey {
  return {
    source: changes.source ?? web,
    sourceAddress: ip(changes.from ?? "10.244.0.2"),
    destinations: changes.to ?? [cart],
    destinationAddress: { ip: ip(changes.at ?? "10.244.0.3"), port: 15_008 },
  };
}

function ip(text: string): TunnelKey["sourceAddress"] {
  const parsed = parseIp(text);
  if (!parsed.ok) throw new Error(parsed.error);
  return parsed.value;
}

/** A tunnel whose streams are numbers. */
class FakeTunnel implements Tunnel {
  readonly peer = cart;
  readonly localAddress: Tunnel["localAddress"] = { ip: ip("10.244.0.2"), port: 1 };
  readonly peerAddress: Tunnel["peerAddress"] = { ip: ip("10.244.0.3"), port: 15_008 };
  readonly options: OpenTunnelOptions;
  streamsOpen = 0;
  streamsMax: number;
  isLeaving = false;
  isClosed = false;
  failNext: TunnelError | undefined;
  readonly #closeListeners: ((error: TunnelError | undefined) => void)[] = [];
  readonly #streamsListeners: (() => void)[] = [];

  constructor(options: OpenTunnelOptions, peerStreamsMax: number) {
    this.options = options;
    this.streamsMax = Math.min(peerStreamsMax, options.limits?.streamsMax ?? 100);
  }

  get isReady(): boolean {
    return !this.isClosed && !this.isLeaving && this.streamsOpen < this.streamsMax;
  }

  async connect(): Promise<ConnectOutcome> {
    const { failNext } = this;
    this.failNext = undefined;
    if (failNext !== undefined) {
      this.isLeaving = true;
      throw failNext;
    }
    this.streamsOpen++;
    return await Promise.resolve({ kind: "refused", status: 599, headers: [] });
  }

  endStream(): void {
    this.streamsOpen--;
    for (const listener of this.#streamsListeners) listener();
  }

  drain(): void {
    this.isLeaving = true;
  }

  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    for (const listener of this.#closeListeners) listener(undefined);
  }

  onStreamsChanged(listener: () => void): void {
    this.#streamsListeners.push(listener);
  }

  onClose(listener: (error: TunnelError | undefined) => void): void {
    this.#closeListeners.push(listener);
  }
}

interface Bench {
  readonly pool: TunnelPool;
  readonly tunnels: FakeTunnel[];
  readonly clock: FakeClock;
  /** Connections asked for and not yet let through. */
  readonly gates: (() => void)[];
}

function setUp(options: TunnelPoolOptions = {}, peerStreamsMax = 200): Bench {
  const tunnels: FakeTunnel[] = [];
  const gates: (() => void)[] = [];
  const clock = new FakeClock();
  const pool = makeTunnelPool({
    clock,
    ...options,
    open:
      options.open ??
      (async (asked) => {
        const { promise, resolve } = Promise.withResolvers<void>();
        gates.push(resolve);
        await promise;
        const tunnel = new FakeTunnel(asked, peerStreamsMax);
        tunnels.push(tunnel);
        return tunnel;
      }),
  });
  return { pool, tunnels, clock, gates };
}

/** Lets every pending tunnel open until all connects are settled. */
async function settle(
  bench: Bench,
  connects: readonly Promise<unknown>[],
): Promise<PromiseSettledResult<unknown>[]> {
  const all = Promise.allSettled(connects);
  const waiting = {};
  while ((await Promise.race([all, Promise.resolve(waiting)])) === waiting) {
    for (const open of bench.gates.splice(0)) open();
    await new Promise(setImmediate);
  }
  return await all;
}

const many = (bench: Bench, count: number, at: TunnelKey = key()): Promise<ConnectOutcome>[] =>
  Array.from({ length: count }, () => bench.pool.connect(at, route, headers));

describe("makeTunnelPool()", () => {
  test("makes exactly one tunnel for requests that come at once", async () => {
    const bench = setUp();
    await settle(bench, many(bench, 50));
    expect(bench.tunnels.map(({ streamsOpen }) => streamsOpen)).toEqual([50]);
    expect([...(bench.tunnels[0]?.options.expectedPeers ?? [])]).toEqual([cart]);
  });

  test("makes another when one is full, by its own limit or the peer's", async () => {
    const ours = setUp({ streamsPerTunnelMax: 100 });
    await settle(ours, many(ours, 250));
    expect(ours.tunnels.map(({ streamsOpen }) => streamsOpen)).toEqual([100, 100, 50]);
    const theirs = setUp({}, 7);
    await settle(theirs, many(theirs, 10));
    expect(theirs.tunnels.map(({ streamsOpen }) => streamsOpen)).toEqual([7, 3]);
  });

  const keys: readonly (readonly [name: string, other: TunnelKey, tunnels: number])[] = [
    ["another source identity", key({ source: price }), 2],
    ["another source address with the same identity", key({ from: "10.244.0.9" }), 2],
    ["another destination address", key({ at: "10.244.0.9" }), 2],
    ["another set of destinations", key({ to: [cart, price] }), 2],
    ["an equal key", key(), 1],
  ];
  test.each(keys)("counts %s apart as it should", async (_name, other, count) => {
    const bench = setUp();
    await settle(bench, [...many(bench, 1), ...many(bench, 1, other)]);
    expect(bench.tunnels.length).toBe(count);
  });

  test("takes the destinations as a set", async () => {
    const bench = setUp();
    await settle(bench, [
      ...many(bench, 1, key({ to: [cart, price] })),
      ...many(bench, 1, key({ to: [price, cart] })),
    ]);
    expect(bench.tunnels.length).toBe(1);
  });

  test("tries once more when the peer never processed the stream", async () => {
    const bench = setUp();
    await settle(bench, many(bench, 1));
    const [first] = bench.tunnels;
    if (first !== undefined) first.failNext = new TunnelError("unprocessed", "GOAWAY");
    const [result] = await settle(bench, many(bench, 1));
    expect([result?.status, bench.tunnels.length]).toEqual(["fulfilled", 2]);
  });

  test("does not try again what may have been processed", async () => {
    const bench = setUp();
    await settle(bench, many(bench, 1));
    const [first] = bench.tunnels;
    if (first !== undefined) first.failNext = new TunnelError("reset", "the wire broke");
    const [result] = await settle(bench, many(bench, 1));
    expect([result?.status, bench.tunnels.length]).toEqual(["rejected", 1]);
  });

  test("refuses beyond its limits, a key's and its own", async () => {
    const perKey = setUp({ tunnelsPerKeyMax: 2, streamsPerTunnelMax: 1 });
    expect(codes(await settle(perKey, many(perKey, 3)))).toEqual(["ok", "ok", "exhausted"]);
    perKey.tunnels[1]?.endStream();
    expect(codes(await settle(perKey, many(perKey, 2)))).toEqual(["ok", "exhausted"]);
    const whole = setUp({ tunnelsMax: 1 });
    const results = await settle(whole, [...many(whole, 1), ...many(whole, 1, key({ at: "10.244.0.9" }))]);
    expect(codes(results)).toEqual(["ok", "exhausted"]);
    expect(whole.pool.tunnelsOpen).toBe(1);
    whole.tunnels[0]?.close();
    expect(codes(await settle(whole, many(whole, 1, key({ at: "10.244.0.9" }))))).toEqual(["ok"]);
  });

  test("lets a stream wait for 64 tunnels that others fill, not for more", async () => {
    const bench = setUp({ tunnelsPerKeyMax: 100, streamsPerTunnelMax: 1 });
    const results = codes(await settle(bench, many(bench, 66)));
    expect(results).toEqual([...Array.from({ length: 64 }, () => "ok"), "exhausted", "exhausted"]);
    expect(bench.tunnels).toHaveLength(64);
    expect(codes(await settle(bench, many(bench, 1)))).toEqual(["ok"]);
  });

  test("fails all who waited when the tunnel cannot be made, and tries afresh next time", async () => {
    let tries = 0;
    const bench = setUp({
      open: async () => {
        tries++;
        return await Promise.reject(new TunnelError("connect", "refused"));
      },
    });
    expect(codes(await settle(bench, many(bench, 3)))).toEqual(["connect", "connect", "connect"]);
    await settle(bench, many(bench, 1));
    expect([tries, bench.pool.tunnelsOpen]).toEqual([2, 0]);
  });

  test("makes a tunnel ahead, once, for the streams that come while it opens and after", async () => {
    const bench = setUp();
    bench.pool.prepare(key(), route);
    bench.pool.prepare(key(), route);
    await settle(bench, many(bench, 2));
    bench.pool.prepare(key(), route);
    await settle(bench, many(bench, 1));
    expect(bench.tunnels.map(({ streamsOpen }) => streamsOpen)).toEqual([3]);
  });

  test("makes a tunnel anew when the one made ahead fails, and releases one that is never used", async () => {
    let fails = true;
    const tunnels: FakeTunnel[] = [];
    const bench = setUp({
      idleReleaseMs: 1000,
      open: (asked) => {
        if (fails) return Promise.reject(new TunnelError("connect", "refused"));
        const tunnel = new FakeTunnel(asked, 10);
        tunnels.push(tunnel);
        return Promise.resolve(tunnel);
      },
    });
    bench.pool.prepare(key(), route);
    fails = false;
    await settle(bench, many(bench, 1));
    expect(tunnels.length).toBe(1);
    bench.pool.prepare(key({ at: "10.244.0.9" }), route);
    await settle(bench, []);
    expect(bench.pool.tunnelsOpen).toBe(2);
    bench.clock.advance(1000);
    expect([tunnels[0]?.isClosed, tunnels[1]?.isClosed]).toEqual([false, true]);
  });

  test("releases a tunnel that was idle for its time, not one that is used", async () => {
    const bench = setUp({ idleReleaseMs: 1000 });
    await settle(bench, many(bench, 1));
    const [tunnel] = bench.tunnels;
    bench.clock.advance(5000);
    expect(tunnel?.isClosed).toBe(false);
    tunnel?.endStream();
    bench.clock.advance(999);
    await settle(bench, many(bench, 1));
    bench.clock.advance(999);
    tunnel?.endStream();
    bench.clock.advance(999);
    expect(tunnel?.isClosed).toBe(false);
    bench.clock.advance(1);
    expect([tunnel?.isClosed, bench.pool.tunnelsOpen]).toEqual([true, 0]);
  });

  test("closes what a filter matches, also what is still being opened, and nothing else", async () => {
    const bench = setUp();
    await settle(bench, [...many(bench, 1), ...many(bench, 1, key({ from: "10.244.0.9" }))]);
    const pending = many(bench, 1, key({ at: "10.244.0.8" }));
    bench.pool.close(({ sourceAddress }) => sourceAddress === ip("10.244.0.2"));
    expect(codes(await settle(bench, pending))).toEqual(["closed"]);
    expect(bench.tunnels.map(({ isClosed }) => isClosed)).toEqual([true, false, true]);
    expect(bench.pool.tunnelsOpen).toBe(1);
    await settle(bench, many(bench, 1));
    expect(bench.tunnels.length).toBe(4);
  });

  test("drains what a filter matches: streams live on, the next one is on a new tunnel", async () => {
    const bench = setUp();
    await settle(bench, many(bench, 1));
    bench.pool.drain(() => true);
    expect(bench.tunnels.map(({ isLeaving, isClosed }) => [isLeaving, isClosed])).toEqual([[true, false]]);
    await settle(bench, many(bench, 1));
    expect(bench.tunnels.length).toBe(2);
  });
});

function codes(results: readonly PromiseSettledResult<unknown>[]): string[] {
  return results.map((result) => {
    if (result.status === "fulfilled") return "ok";
    return result.reason instanceof TunnelError ? result.reason.code : "another error";
  });
}

import { create } from "@bufbuild/protobuf";
import { expect, test } from "bun:test";
import type { IpAddress } from "#core/address/ip.ts";
import { parseSocketAddress } from "#core/address/socket-address.ts";
import { RevisionBackendSchema, ServiceBackendSchema } from "#core/proto/lambient/discovery_pb.js";
import type { RouteDecision } from "#core/routing/decide-route.ts";
import { FakeClock } from "#host/fake/fake-clock.ts";
import type { Exchange } from "./exchange.ts";
import { FakeStream, settled } from "./fake/fake-stream.ts";
import { cart, makeExchange } from "./fake/make-exchange.ts";
import { forward } from "./forward.ts";
import { InstanceLeases } from "./instance-leases.ts";
import type { Lease } from "./lease-outcome.ts";
import type { TracedOutcome } from "./open-traced.ts";
import type { Destination } from "./open-upstream.ts";
import { UpstreamPool } from "./upstream-pool.ts";

const context = { traceId: "0af7651916cd43dd8448eb211c80319c", spanId: "b7ad6b7169203331", sampled: true };
const backend = create(RevisionBackendSchema, { uid: "shop/web-v1", activationTimeoutMs: 1000n });

/** Forwarding whose destinations are the test. */
class Bench {
  readonly clock = new FakeClock();
  readonly opened: Destination[] = [];
  readonly streams: FakeStream[] = [];
  /** What is given back of leases: `i1 released`, `i1 discarded`. */
  readonly returned: string[] = [];
  /** Chosen before the usual one. */
  readonly endpoints: Destination[] = [];
  readonly outcomes: ("opened" | "denied" | "failed")[] = [];
  readonly #pool = new UpstreamPool({ clock: this.clock, idlePerKeyMax: 2, idleMax: 2, idleMs: 1000 });

  exchange(fields: Partial<Exchange> = {}): Exchange {
    const route: RouteDecision = { kind: "revision", route: "r", timeoutMs: 0, backend };
    return makeExchange({ route, lease: this.#lease("i1"), ...fields });
  }

  forward(exchange: Exchange): Promise<Response> {
    let next = 2;
    return forward(exchange, {
      pool: this.#pool,
      clock: this.clock,
      attemptsMax: 3,
      endpointFor: (_, { port }) => this.endpoints.shift() ?? (port === 1 ? anEndpoint : undefined),
      open: (_, destination) => this.#open(destination),
      leases: new InstanceLeases({
        clock: this.clock,
        queueMax: 5,
        onForgotten() {},
        activation: {
          activate: () => {
            const { instance, address, identity } = this.#lease(`i${next++}`);
            return Promise.resolve({ instance, address, identity, rung: "new" });
          },
          release: (instance) => void this.returned.push(`${instance} stopped`),
        },
      }),
    });
  }

  #open(destination: Destination): Promise<TracedOutcome> {
    this.opened.push(destination);
    const kind = this.outcomes.shift() ?? "opened";
    if (kind !== "opened") return Promise.resolve({ kind, reason: `scripted ${kind}` });
    const stream = new FakeStream();
    this.streams.push(stream);
    return Promise.resolve({ kind, stream, context });
  }

  #lease(instance: string): Lease {
    const address = parseSocketAddress("10.244.0.9:8080");
    if (!address.ok) throw new Error(address.error);
    return {
      instance,
      address: address.value,
      identity: cart.identity,
      rung: "running",
      release: () => void this.returned.push(`${instance} released`),
      discard: () => void this.returned.push(`${instance} discarded`),
    };
  }
}

const anEndpoint: Destination = {
  key: "endpoint 10.244.0.130:8080",
  // Sound: a canonical address.
  target: { ip: "10.244.0.130" as IpAddress, port: 8080 },
  identities: [cart.identity],
  tunnelAddress: { ip: "10.244.0.130" as IpAddress, port: 15008 },
  namesCaller: true,
};

const ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";

test("the head goes on with the trace and without what belonged to the caller's connection", async () => {
  const bench = new Bench();
  const head = {
    method: "GET",
    target: "/a",
    version: "1.0" as const,
    headers: [
      ["connection", "x-hop"],
      ["x-hop", "1"],
      ["x-keep", "2"],
      ["upgrade", "h2c"],
    ] as const,
  };
  const exchange = bench.exchange({ received: head });
  const answered = bench.forward(exchange);
  await settled();
  expect(bench.streams[0]?.take()).toBe(
    "GET /a HTTP/1.1\r\nhost: web.shop.svc\r\nx-keep: 2\r\n" +
      "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00\r\n\r\n",
  );
  bench.streams[0]?.receive(ok);
  expect(await answered).toBe(exchange.answer?.marker as Response);
  exchange.answer?.body.pipe({ onData() {}, onPause() {}, onEnd() {}, onAbort() {} });
  expect(bench.returned).toEqual(["i1 released"]);
});

test("while nothing was sent another instance is tried; what failed is not returned as good", async () => {
  const bench = new Bench();
  bench.outcomes.push("failed", "failed");
  const exchange = bench.exchange();
  const answered = bench.forward(exchange);
  await settled();
  bench.streams[0]?.receive(ok);
  await answered;
  expect(bench.opened.map(({ key }) => key)).toEqual(["i1", "i2", "i3"]);
  expect([exchange.attempts, exchange.lease?.instance]).toEqual([3, "i3"]);
  expect(bench.returned).toEqual(["i1 discarded", "i2 stopped"]);
});

test.each<[string, ("denied" | "failed")[], number, string]>([
  ["no instance can be reached", ["failed", "failed", "failed"], 503, "UF"],
  ["the destination does not admit the caller", ["denied"], 403, "RBAC"],
])("%s", async (_, outcomes, status, flag) => {
  const bench = new Bench();
  bench.outcomes.push(...outcomes);
  const exchange = bench.exchange();
  const response = await bench.forward(exchange);
  expect([response.status, exchange.flag, bench.opened.length]).toEqual([
    status,
    flag as never,
    outcomes.length,
  ]);
});

test("a sent request is not sent again, and its instance gets no other", async () => {
  const bench = new Bench();
  const exchange = bench.exchange();
  const answered = bench.forward(exchange);
  await settled();
  bench.streams[0]?.close(new Error("crash"));
  const response = await answered;
  expect([response.status, exchange.flag, bench.opened.length]).toEqual([502, "UC", 1]);
  // The first word counts: what is given back twice is given back once.
  expect(bench.returned[0]).toBe("i1 discarded");
});

test("the route's timeout is a 504 before the head and cuts the response after it", async () => {
  const route: RouteDecision = { kind: "revision", route: "r", timeoutMs: 100, backend };
  const before = new Bench();
  const early = before.exchange({ route });
  const refused = before.forward(early);
  await settled();
  before.clock.advance(100);
  expect([(await refused).status, early.flag, before.streams[0]?.isReset]).toEqual([504, "UT", true]);
  const after = new Bench();
  const late = after.exchange({ route });
  const answered = after.forward(late);
  await settled();
  after.streams[0]?.receive("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhi");
  await answered;
  let aborted = "";
  late.answer?.body.pipe({
    onData() {},
    onPause() {},
    onEnd() {},
    onAbort: (error) => void (aborted = error.message),
  });
  after.clock.advance(100);
  expect([aborted, late.flag]).toEqual(["given up", "UT"]);
});

test("a caller that left before the connection came about sends nothing", async () => {
  const bench = new Bench();
  const exchange = bench.exchange();
  const answered = bench.forward(exchange);
  exchange.ending.finish();
  const response = await answered;
  expect([response.status, bench.streams[0]?.written]).toEqual([499, ""]);
});

function service(address: Uint8Array, waypointIdentity: string): RouteDecision {
  const waypointAddress = Uint8Array.of(10, 245, 0, 9);
  const target = create(ServiceBackendSchema, { address, port: 80, waypointAddress, waypointIdentity });
  return { kind: "service", route: "r", timeoutMs: 0, backend: target };
}

test("a service backend has no lease; one that cannot be read is a 500", async () => {
  const bench = new Bench();
  const known = "spiffe://cluster.local/ns/other/sa/waypoint";
  const answered = bench.forward(
    bench.exchange({ route: service(Uint8Array.of(10, 96, 0, 7), known), lease: undefined }),
  );
  await settled();
  bench.streams[0]?.receive(ok);
  expect((await answered).status).toBe(200);
  expect(bench.opened[0]).toMatchObject({
    key: "service 10.96.0.7:80",
    tunnelAddress: { ip: "10.245.0.9", port: 15008 },
    namesCaller: false,
  });
  for (const broken of [service(new Uint8Array(3), known), service(Uint8Array.of(10, 96, 0, 7), "nobody")]) {
    const response = await bench.forward(bench.exchange({ route: broken, lease: undefined }));
    expect(response.status).toBe(500);
  }
});

function direct(port: number): RouteDecision {
  const target = create(ServiceBackendSchema, { namespace: "shop", hostname: "cart", port, direct: true });
  return { kind: "service", route: "r", timeoutMs: 0, backend: target };
}

test("a service's own endpoint is tried, then another; none that can take it is a 503", async () => {
  const bench = new Bench();
  bench.endpoints.push({ ...anEndpoint, key: "endpoint 10.244.0.131:8080" });
  bench.outcomes.push("failed");
  const answered = bench.forward(bench.exchange({ route: direct(1), lease: undefined }));
  await settled();
  bench.streams[0]?.receive(ok);
  expect((await answered).status).toBe(200);
  expect(bench.opened.map(({ key }) => key)).toEqual([
    "endpoint 10.244.0.131:8080",
    "endpoint 10.244.0.130:8080",
  ]);
  const none = bench.exchange({ route: direct(2), lease: undefined });
  expect([(await bench.forward(none)).status, none.flag, none.detail]).toEqual([
    503,
    "UH",
    "no healthy upstream: cart",
  ]);
});

test("after a 101 both streams are joined, with what came early on either side", async () => {
  const bench = new Bench();
  const caller = new FakeStream();
  const told: string[] = [];
  const received = {
    method: "GET",
    target: "/",
    version: "1.1" as const,
    headers: [
      ["host", "x"],
      ["connection", "upgrade"],
      ["upgrade", "websocket"],
    ] as const,
  };
  const exchange = bench.exchange({
    received,
    port: {
      informational() {},
      upgrade(head) {
        told.push(`${head.status} ${JSON.stringify(head.headers)}`);
        return { stream: caller, rest: Buffer.from("early") };
      },
      upgradeOver: () => void told.push("over"),
    },
  });
  const answered = bench.forward(exchange);
  await settled();
  const upstream = bench.streams[0];
  expect(upstream?.take()).toContain("connection: upgrade\r\nupgrade: websocket\r\n");
  upstream?.receive("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nX-A: 1\r\n\r\nhello");
  await answered;
  expect(told).toEqual(['101 [["x-a","1"],["upgrade","websocket"],["connection","upgrade"]]']);
  expect([upstream?.take(), caller.take()]).toEqual(["early", "hello"]);
  caller.receive("ping");
  upstream?.receive("pong");
  expect([upstream?.take(), caller.take()]).toEqual(["ping", "pong"]);
  caller.close();
  upstream?.close();
  expect(told.at(-1)).toBe("over");
  expect([exchange.bytesReceived, exchange.bytesSent, bench.returned]).toEqual([9, 9, ["i1 released"]]);
});

test("a request that crossed with a waypoint's falling asleep is sent again, but never to an instance", async () => {
  const known = "spiffe://cluster.local/ns/other/sa/waypoint";
  const bench = new Bench();
  const toService = (): Exchange =>
    bench.exchange({ route: service(Uint8Array.of(10, 96, 0, 7), known), lease: undefined });
  for (const [route, want, opened] of [
    ["service", 200, 2],
    ["instance", 502, 3],
  ] as const) {
    const make = (): Exchange => (route === "service" ? toService() : bench.exchange());
    const first = make();
    const answered = bench.forward(first);
    await settled();
    bench.streams.at(-1)?.receive(ok);
    await answered;
    first.answer?.body.pipe({ onData() {}, onPause() {}, onEnd() {}, onAbort() {} });
    const crossing = bench.forward(make());
    await settled();
    bench.streams.at(-1)?.peerEnd();
    await settled();
    if (route === "service") bench.streams.at(-1)?.receive(ok);
    expect([(await crossing).status, bench.streams.length]).toEqual([want, opened]);
  }
});

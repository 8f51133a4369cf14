import { expect, test } from "bun:test";
import type { IpAddress } from "#core/address/ip.ts";
import { emptySnapshot } from "#core/mesh/snapshot.ts";
import type { Span } from "#core/telemetry/span.ts";
import { makeMetricsRegistry, type MetricsRegistry } from "#host/admin/metrics.ts";
import { FakeClock } from "#host/fake/fake-clock.ts";
import type { Splice } from "#host/tunnel/splice.ts";
import { Connection } from "./connection.ts";
import type { Review } from "./connection-facts.ts";
import { ConnectionLedger } from "./connection-ledger.ts";
import { makeZtunnelMetrics } from "./metrics.ts";
import { noService, unknownParty } from "./party.ts";
import { spiffeId } from "../tests/support/test-ca.ts";

interface Bench {
  readonly clock: FakeClock;
  readonly ledger: ConnectionLedger;
  readonly lines: string[];
  readonly spans: Span[];
  readonly registry: MetricsRegistry;
  readonly open: (review?: () => Review) => { readonly connection: Connection; readonly splice: FakeSplice };
}

class FakeSplice implements Splice {
  bytesFromA = 0;
  bytesFromB = 0;
  cutWith: string | undefined;
  cut(error: Error): void {
    this.cutWith = error.message;
  }
}

function makeBench(
  options: {
    spansPerSecond?: number;
    connectionsMax?: number;
    identitiesMax?: number;
    withStore?: boolean;
  } = {},
): Bench {
  const clock = new FakeClock();
  const lines: string[] = [];
  const spans: Span[] = [];
  const registry = makeMetricsRegistry();
  const ledger = new ConnectionLedger({
    clock,
    metrics: makeZtunnelMetrics(registry, "1"),
    lines: { write: (line) => void lines.push(line), dropped: 0, flush: () => Promise.resolve() },
    spans:
      options.withStore === false
        ? undefined
        : {
            record: (span) => void spans.push(span),
            flush: () => Promise.resolve(),
            exported: 0,
            dropped: 0,
            close() {},
          },
    limits: {
      logFormat: "text",
      spansPerSecond: options.spansPerSecond ?? 10,
      connectionsMax: options.connectionsMax ?? 10,
      connectionsPerWorkloadMax: 2,
      policyHoldMs: 5000,
    },
    ...(options.identitiesMax === undefined ? {} : { identitiesMax: options.identitiesMax }),
  });
  const address = { ip: "10.0.0.1" as IpAddress, port: 1 };
  return {
    clock,
    ledger,
    lines,
    spans,
    registry,
    open(review) {
      const connection = new Connection(ledger, {
        direction: "inbound",
        uid: "a",
        source: unknownParty,
        sourceAddress: address,
        destination: unknownParty,
        destinationAddress: address,
        tunnelTarget: undefined,
        service: noService,
        isMutualTls: true,
        trace: ledger.traceFor(undefined),
        parentSpanId: undefined,
      });
      connection.review = review;
      const splice = new FakeSplice();
      connection.begin(splice);
      return { connection, splice };
    },
  };
}

test("review() cuts what is no longer allowed and keeps the rest", () => {
  const { ledger, open } = makeBench();
  const kept = open(() => ({ kind: "keep" }));
  const cut = open(() => ({ kind: "cut", text: "denied by x" }));
  const free = open();
  ledger.review(() => emptySnapshot);
  expect([kept, cut, free].map(({ splice }) => splice.cutWith)).toEqual([
    undefined,
    "connection closed due to policy change: denied by x",
    undefined,
  ]);
});

test("review() gives what is unknown a bounded time, and looks again by itself", () => {
  const { clock, ledger, open } = makeBench();
  let answer: Review = { kind: "unknown", text: "policies are not known" };
  const { splice } = open(() => answer);
  ledger.review(() => emptySnapshot);
  clock.advance(4999);
  expect(splice.cutWith).toBeUndefined();
  answer = { kind: "keep" };
  ledger.review(() => emptySnapshot);
  answer = { kind: "unknown", text: "policies are not known" };
  ledger.review(() => emptySnapshot);
  clock.advance(4999);
  expect(splice.cutWith).toBeUndefined();
  clock.advance(1);
  expect(splice.cutWith).toBe("connection closed due to policy change: policies are not known");
});

test("bytes are counted while a connection lives and once only", () => {
  const { ledger, open, registry } = makeBench();
  const { connection, splice } = open();
  splice.bytesFromA = 10;
  splice.bytesFromB = 20;
  ledger.countLive();
  splice.bytesFromB = 25;
  ledger.countLive();
  connection.end({ bytesFromA: 11, bytesFromB: 30, error: undefined });
  const text = registry.format();
  expect(text).toMatch(/istio_tcp_received_bytes_total\{.*\} 11\n/);
  expect(text).toMatch(/istio_tcp_sent_bytes_total\{.*\} 30\n/);
  expect(text).toMatch(/istio_tcp_connections_closed_total\{.*\} 1\n/);
});

test("spans are recorded at a connection's start and end, as far as the rate allows", () => {
  const { clock, open, spans } = makeBench({ spansPerSecond: 2 });
  const opened = Array.from({ length: 5 }, () => open());
  expect(spans).toHaveLength(2);
  for (const { connection } of opened) connection.end({ bytesFromA: 1, bytesFromB: 2, error: undefined });
  expect(spans).toHaveLength(4);
  expect(spans[0]?.spanId).toBe(spans[2]?.spanId);
  expect(spans[2]?.attributes).toMatchObject({
    "connection.open": false,
    "bytes.received": 1,
    "bytes.sent": 2,
  });
  clock.advance(500);
  open();
  expect(spans).toHaveLength(5);
});

test("traceFor() follows its parent's sampling, and samples nothing without a store", () => {
  const { ledger } = makeBench({ spansPerSecond: 0 });
  const parent = { traceId: "1".repeat(32), spanId: "2".repeat(16), sampled: true };
  expect(ledger.traceFor(parent)).toMatchObject({ traceId: parent.traceId, sampled: true });
  expect(ledger.traceFor({ ...parent, sampled: false }).sampled).toBe(false);
  expect(ledger.traceFor(undefined).sampled).toBe(false);
  expect(makeBench({ withStore: false }).ledger.traceFor(parent).sampled).toBe(false);
});

test("hasRoomFor() counts all, and each workload's own", () => {
  const { ledger, open } = makeBench({ connectionsMax: 3 });
  const first = open();
  expect(ledger.hasRoomFor("a")).toBe(true);
  open();
  expect(ledger.hasRoomFor("a")).toBe(false);
  expect(ledger.hasRoomFor("b")).toBe(true);
  ledger.enter("b");
  expect(ledger.hasRoomFor("b")).toBe(false);
  first.connection.end({ bytesFromA: 0, bytesFromB: 0, error: undefined });
  expect(["a", "b"].map((uid) => ledger.hasRoomFor(uid))).toEqual([true, true]);
  expect(ledger.openCount).toBe(2);
});

test("an identity is the same side every time, named by its service account", () => {
  const { ledger } = makeBench();
  const cart = spiffeId("ns/shop/sa/cart");
  const party = ledger.partyOfIdentity(cart);
  expect(party).toEqual({
    ...unknownParty,
    namespace: "shop",
    workload: "cart",
    canonicalName: "cart",
    identity: cart,
  });
  expect(ledger.partyOfIdentity(cart)).toBe(party);
  expect(ledger.partyOfIdentity(spiffeId("ns/shop/sa/web"))).not.toBe(party);
});

test("identities beyond those remembered are described anew, and remembered again", () => {
  const { ledger } = makeBench({ identitiesMax: 2 });
  const [cart, web, price] = ["cart", "web", "price"].map((name) => spiffeId(`ns/shop/sa/${name}`));
  if (cart === undefined || web === undefined || price === undefined) throw new Error("three were made");
  const first = [ledger.partyOfIdentity(cart), ledger.partyOfIdentity(web)];
  expect(ledger.partyOfIdentity(cart)).toBe(first[0] as never);
  const third = ledger.partyOfIdentity(price);
  const again = ledger.partyOfIdentity(cart);
  expect(again).not.toBe(first[0] as never);
  expect(again).toEqual(first[0] as never);
  expect([ledger.partyOfIdentity(cart), ledger.partyOfIdentity(price)]).toEqual([again, third]);
  expect(ledger.partyOfIdentity(price)).toBe(third);
});

test("countLive() sets the gauges to what is open", () => {
  const { ledger, open, registry } = makeBench();
  open();
  open();
  ledger.countLive();
  const sockets = registry
    .format()
    .split("\n")
    .filter((line) => line.startsWith("istio_tcp_sockets_open"));
  expect(sockets).toEqual([
    'istio_tcp_sockets_open{reporter="destination"} 2',
    'istio_tcp_sockets_open{reporter="source"} 0',
  ]);
});

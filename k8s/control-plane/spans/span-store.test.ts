import { afterEach, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { formatOtlpTraces, readOtlpTraces, type ResourceSpan } from "#core/telemetry/span-otlp.ts";
import type { Span } from "#core/telemetry/span.ts";
import { followLinks } from "./follow-links.ts";
import { openSpanStore } from "./span-store.ts";

const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

const id = (digit: string, length: number): string => digit.repeat(length);

function span(trace: string, number: string, more: Partial<Span> = {}): Span {
  return {
    traceId: id(trace, 32),
    spanId: id(number, 16),
    parentSpanId: undefined,
    name: `${trace}${number}`,
    kind: "server",
    startMs: Number.parseInt(number, 16),
    endMs: Number.parseInt(number, 16) + 0.5,
    attributes: { ok: true, count: 3, ratio: 0.5, name: "x" },
    links: [],
    error: undefined,
    ...more,
  };
}

const linkTo = (trace: string, number: string) => ({ traceId: id(trace, 32), spanId: id(number, 16) });

const by = (service: string, ...spans: Span[]) =>
  spans.map((each) => ({ resource: { service, instance: "i", attributes: {} }, span: each }));

const linked = (number: string) => ({ links: [linkTo("a", "1")], startMs: Number(number) });

const starts = (found: readonly ResourceSpan[]): number[] => found.map((each) => each.span.startMs);

test("spans survive the store being closed, and a span told again replaces itself", () => {
  const folder = mkdtempSync(join(tmpdir(), "lambient-spans-"));
  folders.push(folder);
  const first = openSpanStore(join(folder, "spans.sqlite"));
  first.add(by("edge", span("a", "1"), span("a", "2", { parentSpanId: id("1", 16), error: "boom" })));
  first.close();
  const second = openSpanStore(join(folder, "spans.sqlite"));
  second.add(by("edge", span("a", "1", { name: "again" })));
  expect(second.ofTrace(id("a", 32)).map((each) => each.span)).toEqual([
    span("a", "1", { name: "again" }),
    span("a", "2", { parentSpanId: id("1", 16), error: "boom" }),
  ]);
  expect(second.count).toBe(2);
  second.close();
});

test("the number of spans is bounded: the oldest go, links with them", () => {
  const store = openSpanStore(":memory:", { spansMax: 10 });
  for (let i = 1; i <= 11; i++) {
    const link = { traceId: id("f", 32), spanId: id("f", 16) };
    store.add(
      by("edge", { ...span("a", "1"), spanId: i.toString(16).padStart(16, "0"), startMs: i, links: [link] }),
    );
  }
  expect(store.count).toBe(9);
  expect(store.ofTrace(id("a", 32)).map((each) => each.span.startMs)).toEqual([3, 4, 5, 6, 7, 8, 9, 10, 11]);
  expect(store.linkingTo(id("f", 32))).toHaveLength(9);
});

test("of a trace with too many spans the earliest are told, and of those that link it the latest; others are whole", () => {
  const store = openSpanStore(":memory:", { traceSpansMax: 3 });
  const numbers = ["5", "3", "1", "4", "2"];
  store.add(by("edge", ...numbers.map((number) => span("a", number))));
  store.add(by("edge", ...numbers.map((number) => span("b", number, linked(number)))));
  store.add(by("edge", ...["7", "8", "9"].map((number) => span("c", number))));
  expect(starts(store.ofTrace(id("a", 32)))).toEqual([1, 2, 3]);
  expect(starts(store.linkingTo(id("a", 32)))).toEqual([5, 4, 3]);
  expect(starts(store.ofTrace(id("c", 32)))).toEqual([7, 8, 9]);
  expect(store.count).toBe(13);
  store.add(by("edge", span("c", "6")));
  expect(starts(store.ofTrace(id("c", 32)))).toEqual([6, 7, 8]);
});

test("followLinks() ends at as many traces, or spans, as it is told", () => {
  const store = openSpanStore(":memory:");
  const chain = ["a", "b", "c", "d", "e"];
  for (const [i, trace] of chain.entries()) {
    const next = chain[i + 1];
    const links = next === undefined ? [] : [linkTo(next, "1")];
    // Later links of the chain began earlier: what is cut is not what began last.
    store.add(
      by("edge", span(trace, "1", { startMs: 100 - i, links }), span(trace, "2", { startMs: 50 - i })),
    );
  }
  const names = (tracesMax: number, spansMax: number): string[] =>
    followLinks(store, id("a", 32), { tracesMax, spansMax }).map(({ name }) => name);
  expect(names(3, 100)).toEqual(["c2", "b2", "a2", "c1", "b1", "a1"]);
  expect(names(100, 3)).toEqual(["b2", "a2", "a1"]);
  expect(names(100, 100)).toHaveLength(10);
});

test("followLinks() tells the connections of a request, and the requests of a connection, but not each other's", () => {
  const store = openSpanStore(":memory:");
  store.add(by("ztunnel", span("c", "1")));
  store.add(by("waypoint", span("a", "2", { links: [linkTo("c", "1")] })));
  store.add(by("waypoint", span("b", "3", { links: [linkTo("c", "1")] })));
  const names = (trace: string) =>
    followLinks(store, id(trace, 32)).map(({ name, relation }) => `${name} ${relation}`);
  expect(names("a")).toEqual(["c1 linked", "a2 own"]);
  expect(names("c")).toEqual(["c1 own", "a2 linking", "b3 linking"]);
  expect(names("d")).toEqual([]);
});

test("traces() lists the latest first", () => {
  const store = openSpanStore(":memory:");
  store.add([...by("edge", span("a", "1")), ...by("waypoint", span("a", "2", { error: "" }))]);
  store.add(by("edge", span("b", "5")));
  expect(store.traces({ limit: 10 })).toEqual([
    {
      traceId: id("b", 32),
      startMs: Number.parseInt("5", 16),
      durationMs: 0.5,
      spans: 1,
      name: "b5",
      services: ["edge"],
      failed: false,
    },
    {
      traceId: id("a", 32),
      startMs: 1,
      durationMs: 1.5,
      spans: 2,
      name: "a1",
      services: ["edge", "waypoint"],
      failed: true,
    },
  ]);
  expect(store.traces({ limit: 10, service: "waypoint" }).map((trace) => trace.traceId)).toEqual([
    id("a", 32),
  ]);
  expect(store.traces({ limit: 10, sinceMs: 3 }).map((trace) => trace.traceId)).toEqual([id("b", 32)]);
});

test("OTLP/JSON comes back as it was", () => {
  const wanted = span("a", "1", {
    startMs: 1_800_000_000_000.123,
    endMs: 1_800_000_000_001.5,
    kind: "client",
    error: "refused",
    links: [{ traceId: id("c", 32), spanId: id("1", 16) }],
    parentSpanId: id("9", 16),
  });
  const resource = { service: "edge", instance: "e-1", attributes: { "k8s.namespace.name": "shop" } };
  expect(readOtlpTraces(JSON.parse(formatOtlpTraces(resource, [wanted])))).toEqual({
    ok: true,
    value: [{ resource, span: wanted }],
  });
});

test.each<[string, unknown]>([
  ["a trace id of 16 bytes", { traceId: "A".repeat(32), spanId: id("1", 16), startTimeUnixNano: "1" }],
  ["no span id", { traceId: id("a", 32), startTimeUnixNano: "1" }],
  ["no start", { traceId: id("a", 32), spanId: id("1", 16) }],
])("a batch with %s is refused", (_, bad) => {
  expect(readOtlpTraces({ resourceSpans: [{ scopeSpans: [{ spans: [bad] }] }] }).ok).toBe(false);
});

test.each<[string, unknown]>([
  ["null", null],
  ["a text", "x"],
  ["lists of nothing", { resourceSpans: [null, { scopeSpans: 3 }] }],
])("%s holds no spans", (_, value) => {
  expect(readOtlpTraces(value)).toEqual({ ok: true, value: [] });
});

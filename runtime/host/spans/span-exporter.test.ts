import { expect, test } from "bun:test";
import { readOtlpTraces } from "#core/telemetry/span-otlp.ts";
import type { Span } from "#core/telemetry/span.ts";
import { FakeClock } from "#host/fake/fake-clock.ts";
import { openSpanExporter, type SpanExporterOptions } from "./span-exporter.ts";
import { makeSpanIds } from "./span-ids.ts";

const ids = makeSpanIds();

function span(name: string): Span {
  const { traceId, spanId } = ids.childOf(undefined);
  const rest = { kind: "server" as const, startMs: 1, endMs: 2, attributes: {}, links: [], error: undefined };
  return { traceId, spanId, parentSpanId: undefined, name, ...rest };
}

function rig(options: Partial<SpanExporterOptions> = {}) {
  const clock = new FakeClock(0);
  const batches: string[][] = [];
  const lost: string[] = [];
  const gates: PromiseWithResolvers<void>[] = [];
  const exporter = openSpanExporter({
    resource: { service: "waypoint", instance: "w-1" },
    clock,
    post(body) {
      const read = readOtlpTraces(JSON.parse(body));
      batches.push(read.ok ? read.value.map((each) => each.span.name) : [read.error]);
      const gate = Promise.withResolvers<void>();
      gates.push(gate);
      return gate.promise;
    },
    onLost: (spans, reason) => void lost.push(`${spans} ${reason}`),
    ...options,
  });
  return { clock, batches, lost, gates, exporter };
}

async function settle(): Promise<void> {
  for (let i = 0; i < 10; i++) await Promise.resolve();
}

test("spans go together after the delay, or as soon as a batch is full", () => {
  const { exporter, clock, batches } = rig({ batchMax: 3 });
  exporter.record(span("a"));
  exporter.record(span("b"));
  clock.advance(199);
  expect(batches).toEqual([]);
  clock.advance(1);
  expect(batches).toEqual([["a", "b"]]);
  const full = rig({ batchMax: 2 });
  full.exporter.record(span("c"));
  full.exporter.record(span("d"));
  expect(full.batches).toEqual([["c", "d"]]);
});

test("one batch is sent at a time; the queue is bounded and what does not fit is counted", async () => {
  const { exporter, batches, gates } = rig({ batchMax: 2, queueMax: 3 });
  for (const name of ["a", "b", "c", "d", "e", "f", "g"]) exporter.record(span(name));
  expect(batches).toEqual([["a", "b"]]);
  expect(exporter.dropped).toBe(2);
  gates[0]?.resolve();
  await settle();
  expect(batches).toEqual([
    ["a", "b"],
    ["c", "d"],
  ]);
  gates[1]?.resolve();
  await settle();
  expect(batches).toEqual([["a", "b"], ["c", "d"], ["e"]]);
  expect(exporter.exported).toBe(4);
});

test("a batch that fails is lost and told once; the next is sent all the same", async () => {
  const { exporter, batches, gates, lost } = rig({ batchMax: 1 });
  exporter.record(span("a"));
  exporter.record(span("b"));
  gates[0]?.reject(new Error("the store is away"));
  await settle();
  gates[1]?.resolve();
  await settle();
  expect([batches, lost]).toEqual([[["a"], ["b"]], ["1 the store is away"]]);
  expect([exporter.exported, exporter.dropped]).toEqual([1, 1]);
});

test("flush() sends what waits and gives up at its time", async () => {
  const { exporter, clock, batches, gates } = rig();
  exporter.record(span("a"));
  const first = exporter.flush(1000);
  expect(batches).toEqual([["a"]]);
  gates[0]?.resolve();
  await first;
  expect(exporter.exported).toBe(1);
  exporter.record(span("b"));
  const second = exporter.flush(1000);
  clock.advance(1000);
  await second;
  expect(exporter.exported).toBe(1);
});

test("after close() everything is dropped", () => {
  const { exporter, batches, clock } = rig();
  exporter.record(span("a"));
  exporter.close();
  exporter.record(span("b"));
  clock.advance(1000);
  expect([batches, exporter.dropped]).toEqual([[], 2]);
});

test("ids are hex of the right length, never all zero, and do not repeat over many blocks", () => {
  const seen = new Set<string>();
  for (let i = 0; i < 5000; i++) {
    const { traceId, spanId, sampled } = ids.childOf(undefined);
    expect([/^[0-9a-f]{32}$/.test(traceId), /^[0-9a-f]{16}$/.test(spanId), sampled]).toEqual([
      true,
      true,
      true,
    ]);
    seen.add(traceId).add(spanId);
  }
  expect(seen.size).toBe(10_000);
  const parent = { traceId: "a".repeat(32), spanId: "b".repeat(16), sampled: false };
  expect(ids.childOf(parent)).toMatchObject({ traceId: parent.traceId, sampled: false });
});

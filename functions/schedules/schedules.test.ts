import { expect, test } from "bun:test";
import type { FunctionObject } from "#host/kube/known-resources.ts";
import type { Span } from "#core/telemetry/span.ts";
import { FakeClock } from "#host/fake/fake-clock.ts";
import { silentLog } from "#host/log.ts";
import { MeshError } from "#host/mesh-error.ts";
import type { Activation } from "../activation/activator.ts";
import { FakeSlot } from "../fake/fake-slots.ts";
import { parseCron } from "./schedule-times.ts";
import { Schedules } from "./schedules.ts";

const midnight = Date.UTC(2027, 0, 1);

test.each<[string, number, number | undefined]>([
  ["*/5 * * * *", midnight, midnight + 300_000],
  ["*/10 * * * * *", midnight, midnight + 10_000],
  ["0 12 * * *", midnight + 1, midnight + 12 * 3_600_000],
  ["0 0 30 2 *", midnight, undefined],
])("parseCron(%j) is due next", (text, afterMs, want) => {
  const parsed = parseCron(text);
  expect(parsed.ok && parsed.value.next(afterMs)).toBe(want as number);
});

test.each(["", "* * *", "61 * * * *", "* * * * * * 2027", "often"])("parseCron(%j) is refused", (text) => {
  expect(parseCron(text).ok).toBe(false);
});

function report(crons: string[], ready: string | null = "v1"): FunctionObject {
  return {
    apiVersion: "lambient.dev/v1alpha1",
    kind: "Function",
    metadata: { namespace: "shop", name: "report", uid: "1", resourceVersion: "1", creationTimestamp: "" },
    // Only what a schedule reads.
    spec: { schedules: crons.map((cron) => ({ cron })) } as unknown as FunctionObject["spec"],
    status: ready === null ? {} : { latestReadyRevision: ready },
  };
}

function open() {
  const clock = new FakeClock(midnight);
  const slot = new FakeSlot(1, {});
  const log: string[] = [];
  const spans: Span[] = [];
  const behaviour: { activate?: () => Promise<never> } = {};
  const schedules = new Schedules({
    clock,
    log: silentLog,
    runTimeoutMs: 1000,
    newTrace: () => ({ traceId: "1".repeat(32), spanId: "2".repeat(16), sampled: true }),
    record: (span) => spans.push(span),
    onRun: (result) => log.push(result),
    activate: (revision) => {
      log.push(`activate ${revision}`);
      if (behaviour.activate !== undefined) return behaviour.activate();
      return Promise.resolve({
        instance: { id: "i", loaded: slot },
        rung: "pooled",
      } as unknown as Activation);
    },
    release: (instance) => log.push(`release ${instance}`),
  });
  return { clock, slot, log, spans, schedules, behaviour };
}

async function settle(): Promise<void> {
  for (let i = 0; i < 20; i++) await Promise.resolve();
}

test("a schedule calls the latest ready revision when it is due, holding a lease meanwhile", async () => {
  const { clock, log, slot, schedules, spans } = open();
  schedules.onEvent({ type: "ADDED", object: report(["0 * * * *"]) });
  clock.advance(3_599_999);
  expect(log).toEqual([]);
  clock.advance(1);
  await settle();
  expect(log).toEqual(["activate shop/report-v1", "release i", "succeeded"]);
  const traceparent = `00-${"1".repeat(32)}-${"2".repeat(16)}-01`;
  expect(slot.calls).toEqual([
    { cron: "0 * * * *", scheduledAtMs: midnight + 3_600_000, traceparent, timeoutMs: 1000 },
  ]);
  expect(spans).toMatchObject([{ name: "scheduled", parentSpanId: undefined, error: undefined }]);
  expect(schedules.report()).toEqual([
    {
      namespace: "shop",
      function: "report",
      cron: "0 * * * *",
      nextRunAtMs: midnight + 7_200_000,
      lastRunAtMs: midnight + 3_600_000,
      lastResult: "succeeded",
    },
  ]);
});

test("a new ready revision is called next time, a schedule that is taken off is not run", async () => {
  const { clock, log, schedules } = open();
  schedules.onEvent({ type: "ADDED", object: report(["* * * * *", "0 0 1 1 *"]) });
  schedules.onEvent({ type: "MODIFIED", object: report(["* * * * *"], "v2") });
  clock.advance(60_000);
  await settle();
  expect(log[0]).toBe("activate shop/report-v2");
  schedules.onEvent({ type: "DELETED", object: report(["* * * * *"]) });
  expect(schedules.report()).toEqual([]);
  expect(clock.pending).toBe(0);
});

test("a run that is still going on when the next is due makes that one skipped", async () => {
  const { clock, log, slot, schedules } = open();
  const ended = Promise.withResolvers<void>();
  slot.runScheduled = () => ended.promise;
  schedules.onEvent({ type: "ADDED", object: report(["* * * * *"]) });
  clock.advance(60_000);
  await settle();
  clock.advance(60_000);
  await settle();
  expect(log).toEqual(["activate shop/report-v1", "skipped"]);
  ended.resolve();
  await schedules.close();
  expect(log.at(-1)).toBe("succeeded");
});

test("what fails is told with its reason", async () => {
  const { clock, log, behaviour, schedules, spans } = open();
  behaviour.activate = () => Promise.reject(new MeshError("unavailable", "load failed: boom"));
  schedules.onEvent({ type: "ADDED", object: report(["* * * * *"]) });
  clock.advance(60_000);
  await settle();
  expect(schedules.report()[0]?.lastResult).toBe("failed: load failed: boom");
  expect([log.at(-1), spans[0]?.error]).toEqual(["failed", "load failed: boom"]);
});

test("without a ready revision, and with an expression that cannot be read, nothing is activated", async () => {
  const { clock, log, schedules } = open();
  schedules.onEvent({ type: "ADDED", object: report(["* * * * *", "often"], null) });
  clock.advance(60_000);
  await settle();
  expect(log).toEqual(["failed"]);
  expect(schedules.report().map(({ lastResult }) => lastResult?.slice(0, 30))).toEqual([
    "failed: Cannot run report on s",
    "failed: Cannot read a schedule",
  ]);
});

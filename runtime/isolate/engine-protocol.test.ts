import { expect, test } from "bun:test";
import { parseScheduledResult, parseSpan, parseSpecialised } from "./engine-protocol.ts";

const specialised: readonly [string, unknown, ReturnType<typeof parseSpecialised>][] = [
  ["ready", { kind: "ready", exports: ["fetch", "queue"] }, { kind: "ready", exports: ["fetch", "queue"] }],
  [
    "failed",
    { kind: "failed", stage: "parse", message: "x" },
    { kind: "failed", stage: "parse", message: "x" },
  ],
  [
    "a long message, cut",
    { kind: "failed", stage: "import", message: "x".repeat(5000) },
    { kind: "failed", stage: "import", message: "x".repeat(4096) },
  ],
  ["more than was asked, dropped", { kind: "ready", exports: [], more: 1 }, { kind: "ready", exports: [] }],
  ["an unknown handler", { kind: "ready", exports: ["alarm"] }, undefined],
  ["too many handlers", { kind: "ready", exports: ["fetch", "fetch", "fetch", "fetch"] }, undefined],
  ["no list", { kind: "ready", exports: "fetch" }, undefined],
  ["an unknown stage", { kind: "failed", stage: "late", message: "x" }, undefined],
  ["no message", { kind: "failed", stage: "parse" }, undefined],
  ["another kind", { kind: "maybe" }, undefined],
  ["a list", [], undefined],
  ["nothing", null, undefined],
  ["a text", "ready", undefined],
];

test.each(specialised)("parseSpecialised() of %s", (_, value, want) => {
  expect(parseSpecialised(value)).toEqual(want);
});

const results: readonly [string, unknown, ReturnType<typeof parseScheduledResult>][] = [
  ["done", { kind: "done" }, { kind: "done" }],
  ["failed", { kind: "failed", message: "x" }, { kind: "failed", message: "x" }],
  ["a failure without words", { kind: "failed" }, undefined],
  ["nothing", undefined, undefined],
];

test.each(results)("parseScheduledResult() of %s", (_, value, want) => {
  expect(parseScheduledResult(value)).toEqual(want);
});

const span = {
  traceId: "0af7651916cd43dd8448eb211c80319c",
  spanId: "b7ad6b7169203331",
  parentSpanId: "00f067aa0ba902b7",
  name: "GET /",
  startMs: 1,
  endMs: 2.5,
  status: 200,
  droppedBefore: 0,
};

const spans: readonly [string, object, ReturnType<typeof parseSpan>][] = [
  ["a span", {}, span],
  ["a long name, cut", { name: "x".repeat(300) }, { ...span, name: "x".repeat(256) }],
  ["a short trace id", { traceId: "0af7" }, undefined],
  ["upper case", { spanId: "B7AD6B7169203331" }, undefined],
  ["no parent", { parentSpanId: undefined }, undefined],
  ["a time that is none", { startMs: Number.NaN }, undefined],
  ["a time as text", { endMs: "2" }, undefined],
  ["a time before the epoch", { startMs: -1 }, undefined],
  ["a status that is none", { status: 600 }, undefined],
  ["a count that is none", { droppedBefore: 1.5 }, undefined],
  ["a name that is none", { name: {} }, undefined],
];

test.each(spans)("parseSpan() of %s", (_, changes, want) => {
  expect(parseSpan({ ...span, ...changes })).toEqual(want);
});

import { expect, test } from "bun:test";
import { makeSpanIds } from "#host/spans/span-ids.ts";
import { boundedSampler, requestSpan, samplesAsAsked, startTrace, withTraceparent } from "./trace.ts";

const ids = makeSpanIds();
const sampled = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

test("a request with a context continues its trace, as its caller sampled it", () => {
  const trace = startTrace([["traceparent", sampled]], ids, samplesAsAsked);
  expect(trace.context).toMatchObject({ traceId: "0af7651916cd43dd8448eb211c80319c", sampled: true });
  expect(trace.context.spanId).not.toBe("b7ad6b7169203331");
  expect(
    requestSpan(trace, { name: "n", startMs: 1, endMs: 2, attributes: {}, error: undefined }),
  ).toMatchObject({
    parentSpanId: "b7ad6b7169203331",
    kind: "server",
  });
});

test.each([[[]], [[["traceparent", "nonsense"] as const]]])(
  "one without (%j) starts a new trace",
  (headers) => {
    const trace = startTrace(headers, ids, samplesAsAsked);
    expect([trace.parent, trace.context.sampled]).toEqual([undefined, false]);
    expect(trace.context.traceId).toMatch(/^[0-9a-f]{32}$/);
  },
);

test("withTraceparent() replaces the caller's, and drops a tracestate that belongs to none", () => {
  const known = startTrace([["traceparent", sampled]], ids, samplesAsAsked);
  const fields = withTraceparent(
    [
      ["traceparent", sampled],
      ["tracestate", "a=b"],
      ["x", "y"],
    ],
    known,
  );
  expect(fields.map(([name]) => name)).toEqual(["tracestate", "x", "traceparent"]);
  const fresh = startTrace([], ids, samplesAsAsked);
  expect(withTraceparent([["tracestate", "a=b"]], fresh).map(([name]) => name)).toEqual(["traceparent"]);
});

test("boundedSampler() samples so many a second, and not what its caller did not sample", () => {
  let now = 0;
  const samples = boundedSampler(2, () => now);
  const parent = { traceId: "a", spanId: "b", sampled: false };
  expect([
    samples(parent),
    samples(undefined),
    samples({ ...parent, sampled: true }),
    samples(undefined),
  ]).toEqual([false, true, true, false]);
  now = 1000;
  expect(samples(undefined)).toBe(true);
});

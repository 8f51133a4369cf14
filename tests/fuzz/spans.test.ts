/** Fuzzes the reader of OTLP/JSON: any JSON gives a Result, and spans come back as they were written. */
import { expect, test } from "bun:test";
import * as fc from "fast-check";
import { formatOtlpTraces, readOtlpTraces } from "#core/telemetry/span-otlp.ts";
import type { Span, SpanKind } from "#core/telemetry/span.ts";

const hex = (length: number) =>
  fc.string({
    unit: fc.constantFrom(...Array.from("0123456789abcdef")),
    minLength: length,
    maxLength: length,
  });
const millis = fc.integer({ min: 0, max: 2_000_000_000_000 }).map((thousandths) => thousandths / 4);
const link = fc.record({ traceId: hex(32), spanId: hex(16) });
const attribute = fc.oneof(
  fc.string(),
  fc.boolean(),
  fc.integer(),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
);

const span: fc.Arbitrary<Span> = fc.record({
  traceId: hex(32),
  spanId: hex(16),
  parentSpanId: fc.option(hex(16), { nil: undefined }),
  name: fc.string({ maxLength: 200 }),
  kind: fc.constantFrom<SpanKind>("server", "client", "internal"),
  startMs: millis,
  endMs: millis,
  attributes: fc.dictionary(fc.string(), attribute),
  links: fc.array(link, { maxLength: 3 }),
  error: fc.option(fc.string(), { nil: undefined }),
});

test("any JSON gives a Result", () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      expect(typeof readOtlpTraces(value).ok).toBe("boolean");
      expect(typeof readOtlpTraces({ resourceSpans: [{ scopeSpans: [{ spans: [value] }] }] }).ok).toBe(
        "boolean",
      );
    }),
  );
});

test("spans come back as they were", () => {
  fc.assert(
    fc.property(fc.array(span, { maxLength: 3 }), (spans) => {
      const resource = { service: "edge", instance: "e", attributes: { a: "b" } };
      const read = readOtlpTraces(JSON.parse(formatOtlpTraces(resource, spans)));
      const wanted = spans.map((each) => ({ resource, span: each }));
      expect(JSON.parse(JSON.stringify(read))).toEqual(
        JSON.parse(JSON.stringify({ ok: true, value: wanted })),
      );
    }),
  );
});

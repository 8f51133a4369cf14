/** Spans as OTLP/JSON (opentelemetry-proto 1.x, `ExportTraceServiceRequest`), written and read; only what our programs use. */
import { err, ok, type Result } from "#core/result.ts";
import type { Span, SpanAttribute, SpanKind } from "./span.ts";

/** Who recorded spans. */
export interface SpanResource {
  /** `service.name`: the program. */
  readonly service: string;
  /** `service.instance.id`. */
  readonly instance: string;
  /** Further resource attributes: `k8s.namespace.name`, `lambient.revision`. */
  readonly attributes?: Readonly<Record<string, string>>;
}

/** A span with who recorded it. */
export interface ResourceSpan {
  readonly resource: SpanResource;
  readonly span: Span;
}

const kindNumber: Readonly<Record<SpanKind, number>> = { internal: 1, server: 2, client: 3 };
const errorStatus = 2;
const okStatus = 0;

/** Formats one batch of one program. */
export function formatOtlpTraces(resource: SpanResource, spans: readonly Span[]): string {
  const attributes = {
    "service.name": resource.service,
    "service.instance.id": resource.instance,
    ...resource.attributes,
  };
  return JSON.stringify({
    resourceSpans: [
      {
        resource: { attributes: keyValues(attributes) },
        scopeSpans: [{ scope: { name: "lambient" }, spans: spans.map(otlpSpan) }],
      },
    ],
  });
}

function otlpSpan(span: Span): object {
  return {
    traceId: span.traceId,
    spanId: span.spanId,
    ...(span.parentSpanId === undefined ? {} : { parentSpanId: span.parentSpanId }),
    name: span.name,
    kind: kindNumber[span.kind],
    startTimeUnixNano: nanos(span.startMs),
    endTimeUnixNano: nanos(span.endMs),
    attributes: keyValues(span.attributes),
    links: span.links.map(({ traceId, spanId }) => ({ traceId, spanId })),
    status: span.error === undefined ? { code: okStatus } : { code: errorStatus, message: span.error },
  };
}

/** A 64-bit count of nanoseconds as decimal text; microseconds are all that a double of milliseconds holds. */
function nanos(ms: number): string {
  return `${Math.max(0, Math.round(ms * 1000))}000`;
}

function keyValues(attributes: Readonly<Record<string, SpanAttribute>>): object[] {
  return Object.entries(attributes).map(([key, value]) => ({ key, value: anyValue(value) }));
}

function anyValue(value: SpanAttribute): object {
  if (typeof value === "string") return { stringValue: value };
  if (typeof value === "boolean") return { boolValue: value };
  return Number.isSafeInteger(value) ? { intValue: String(value) } : { doubleValue: value };
}

/** Reads a batch as far as it is understood: unknown fields are left out, a span without ids refuses the batch. */
export function readOtlpTraces(value: unknown): Result<readonly ResourceSpan[]> {
  const spans: ResourceSpan[] = [];
  for (const block of list(record(value)["resourceSpans"])) {
    const resource = readResource(record(record(block)["resource"])["attributes"]);
    for (const scope of list(record(block)["scopeSpans"])) {
      for (const each of list(record(scope)["spans"])) {
        const span = readSpan(record(each));
        if (span === undefined)
          return err(
            "Cannot read spans as OTLP/JSON: a span needs traceId and spanId as hex, and startTimeUnixNano",
          );
        spans.push({ resource, span });
      }
    }
  }
  return ok(spans);
}

function readResource(attributes: unknown): SpanResource {
  const { "service.name": service, "service.instance.id": instance, ...rest } = readAttributes(attributes);
  const texts = Object.entries(rest).map(([key, each]) => [key, String(each)]);
  return {
    service: String(service ?? "unknown"),
    instance: String(instance ?? ""),
    attributes: Object.fromEntries(texts),
  };
}

const kindByNumber = new Map<unknown, SpanKind>([
  [2, "server"],
  [3, "client"],
]);

function readSpan(from: Readonly<Record<string, unknown>>): Span | undefined {
  const { traceId, spanId, parentSpanId, name, kind } = from;
  const startMs = readNanos(from["startTimeUnixNano"]);
  if (!isId(traceId, 32) || !isId(spanId, 16) || startMs === undefined) return undefined;
  const status = record(from["status"]);
  const failed = status["code"] === errorStatus;
  return {
    traceId,
    spanId,
    parentSpanId: isId(parentSpanId, 16) ? parentSpanId : undefined,
    name: textOf(name).slice(0, 256),
    kind: kindByNumber.get(kind) ?? "internal",
    startMs,
    endMs: readNanos(from["endTimeUnixNano"]) ?? startMs,
    attributes: readAttributes(from["attributes"]),
    links: list(from["links"]).flatMap((link) => readLink(record(link))),
    error: failed ? textOf(status["message"]) : undefined,
  };
}

function readLink(link: Readonly<Record<string, unknown>>): { traceId: string; spanId: string }[] {
  const { traceId, spanId } = link;
  return isId(traceId, 32) && isId(spanId, 16) ? [{ traceId, spanId }] : [];
}

function readNanos(value: unknown): number | undefined {
  if (typeof value !== "string" || !/^\d{1,20}$/.test(value)) return undefined;
  return Number(value.padStart(4, "0").slice(0, -3)) / 1000;
}

function isId(value: unknown, digits: number): value is string {
  return typeof value === "string" && value.length === digits && /^[0-9a-f]+$/.test(value);
}

function readAttributes(value: unknown): Record<string, SpanAttribute> {
  const attributes: [string, SpanAttribute][] = [];
  for (const each of list(value)) {
    const { key, value: any } = record(each);
    const read = readAnyValue(record(any));
    if (typeof key === "string" && read !== undefined) attributes.push([key, read]);
  }
  return Object.fromEntries(attributes);
}

function readAnyValue(value: Readonly<Record<string, unknown>>): SpanAttribute | undefined {
  const { stringValue, boolValue, intValue, doubleValue } = value;
  if (typeof stringValue === "string") return stringValue;
  if (typeof boolValue === "boolean") return boolValue;
  if (typeof doubleValue === "number") return doubleValue;
  const whole = Number(intValue);
  return intValue === undefined || !Number.isFinite(whole) ? undefined : whole;
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}

function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function record(value: unknown): Readonly<Record<string, unknown>> {
  // Sound: any object can be read by key, and each value read is checked.
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
}

/** A request's place in its trace: which context goes on, and the spans that say where time went. Recording is the exporter's. */
import { parseTraceparent, formatTraceparent, type TraceContext } from "#core/telemetry/trace-context.ts";
import type { Span } from "#core/telemetry/span.ts";
import type { SpanIds } from "#host/spans/span-ids.ts";
import type { HeaderField } from "#core/h2/header-field.ts";
import { findField } from "#core/h2/header-field.ts";

/** One request's trace. */
export interface RequestTrace {
  /** This program's span, which upstream sees as its parent. */
  readonly context: TraceContext;
  /** The caller's span, when it named one. */
  readonly parent: TraceContext | undefined;
  /** Contexts of the streams that the request came and left on. */
  readonly links: TraceContext[];
}

/** Decides whether a request is sampled, by the context that its caller sent. */
export type Sampler = (parent: TraceContext | undefined) => boolean;

/** Starts the trace of a request: its caller's, or a new one. */
export function startTrace(headers: readonly HeaderField[], ids: SpanIds, sampler: Sampler): RequestTrace {
  const parent = parseTraceparent(findField(headers, "traceparent"));
  const traceId = parent?.traceId ?? ids.traceId();
  return { context: { traceId, spanId: ids.spanId(), sampled: sampler(parent) }, parent, links: [] };
}

/** The fields with the trace's own `traceparent` in place of the caller's; `tracestate` goes on only with a known trace. */
export function withTraceparent(fields: readonly HeaderField[], trace: RequestTrace): HeaderField[] {
  const keepsState = trace.parent !== undefined;
  const kept = fields.filter(([name]) => name !== "traceparent" && (keepsState || name !== "tracestate"));
  kept.push(["traceparent", formatTraceparent(trace.context)]);
  return kept;
}

/** What a span of a request says beside its trace. */
export interface SpanFacts {
  readonly name: string;
  readonly startMs: number;
  readonly endMs: number;
  readonly attributes: Span["attributes"];
  readonly error: string | undefined;
}

/** The span of a request. */
export function requestSpan(trace: RequestTrace, facts: SpanFacts): Span {
  const { traceId, spanId } = trace.context;
  return {
    traceId,
    spanId,
    parentSpanId: trace.parent?.spanId,
    kind: "server",
    links: trace.links,
    ...facts,
  };
}

/** The edge's: what comes without a trace and what asks to be sampled, at most so many a second. */
export function boundedSampler(perSecondMax: number, nowMs: () => number): Sampler {
  let windowStartMs = Number.NEGATIVE_INFINITY;
  let taken = 0;
  return (parent) => {
    if (parent !== undefined && !parent.sampled) return false;
    const now = nowMs();
    if (now - windowStartMs >= 1000) {
      windowStartMs = now;
      taken = 0;
    }
    return ++taken <= perSecondMax;
  };
}

/** A waypoint's: as the caller said; what comes without a trace is not sampled. */
export const samplesAsAsked: Sampler = (parent) => parent?.sampled ?? false;

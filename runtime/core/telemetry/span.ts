/** One finished span, as every program records it; its encoding for the wire is in span-otlp.ts. */
import type { TraceContext } from "./trace-context.ts";

/** Which side of an exchange a span tells of. */
export type SpanKind = "server" | "client" | "internal";

/** A value that an attribute may have. */
export type SpanAttribute = string | number | boolean;

/** A finished span. */
export interface Span {
  /** 32 lowercase hex digits. */
  readonly traceId: string;
  /** 16 lowercase hex digits. */
  readonly spanId: string;
  /** Undefined for the first span of its trace. */
  readonly parentSpanId: string | undefined;
  readonly name: string;
  readonly kind: SpanKind;
  /** Milliseconds since the epoch, with fractions. */
  readonly startMs: number;
  readonly endMs: number;
  readonly attributes: Readonly<Record<string, SpanAttribute>>;
  /** Spans of other traces that belong to the story: a request links the connections it came and left on. */
  readonly links: readonly Pick<TraceContext, "traceId" | "spanId">[];
  /** Undefined when all went well. */
  readonly error: string | undefined;
}

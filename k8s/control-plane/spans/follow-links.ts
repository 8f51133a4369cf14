/** One trace's whole story: its own spans, the connections they link, and, for a connection, the requests that link it. */
import type { ResourceSpan } from "#core/telemetry/span-otlp.ts";
import type { Span } from "#core/telemetry/span.ts";
import type { SpanStore } from "./span-store.ts";

/** How a span belongs to the trace asked for. */
export type Relation =
  /** Of the trace itself. */
  | "own"
  /** Of a trace that a span of the story links: a connection that carried it. */
  | "linked"
  /** Links a span of the trace asked for: a request that the connection carried. */
  | "linking";

/** A span of the story. */
export interface RelatedSpan extends Span {
  readonly service: string;
  readonly instance: string;
  /** Further attributes of whoever recorded it. */
  readonly resource: Readonly<Record<string, string>>;
  readonly relation: Relation;
}

/** How far a story goes; what lies beyond is left out. */
export interface StoryLimits {
  /** Traces, the one asked for included. */
  readonly tracesMax: number;
  readonly spansMax: number;
}

const defaultStoryLimits: StoryLimits = { tracesMax: 64, spansMax: 2000 };

/** Collects the story by the spans' start; empty when the trace is not known. */
export function followLinks(
  store: SpanStore,
  traceId: string,
  { tracesMax, spansMax }: StoryLimits = defaultStoryLimits,
): readonly RelatedSpan[] {
  const story: RelatedSpan[] = store.ofTrace(traceId).map((each) => related(each, "own"));
  const linking = store.linkingTo(traceId).filter(({ span }) => span.traceId !== traceId);
  const seen = new Set([traceId]);
  const queue = story.flatMap(({ links }) => links.map((link) => link.traceId));
  for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
    if (seen.size >= tracesMax || story.length >= spansMax) break;
    if (seen.has(next)) continue;
    seen.add(next);
    for (const each of store.ofTrace(next)) {
      story.push(related(each, "linked"));
      queue.push(...each.span.links.map((link) => link.traceId));
    }
  }
  const known = new Set(story.map(({ traceId: trace, spanId }) => `${trace}/${spanId}`));
  for (const each of linking) {
    if (!known.has(`${each.span.traceId}/${each.span.spanId}`)) story.push(related(each, "linking"));
  }
  // Cut before it is sorted: the trace's own spans stay, however early others began.
  return story.slice(0, spansMax).sort((a, b) => a.startMs - b.startMs);
}

function related({ resource, span }: ResourceSpan, relation: Relation): RelatedSpan {
  const { service, instance, attributes = {} } = resource;
  return { ...span, service, instance, resource: attributes, relation };
}

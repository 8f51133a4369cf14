/** Opens upstream streams with a trace of their own: the CONNECT carries its context, the request links it, a span tells how long it took. */
import { formatSocketAddress } from "#core/address/socket-address.ts";
import type { Span } from "#core/telemetry/span.ts";
import type { TraceContext } from "#core/telemetry/trace-context.ts";
import type { Clock } from "#host/clock.ts";
import type { SpanIds } from "#host/spans/span-ids.ts";
import type { Exchange } from "./exchange.ts";
import {
  type Destination,
  type Opener,
  type OpenOutcome,
  openUpstream,
  type OpenUpstreamOptions,
} from "./open-upstream.ts";

/** An {@link OpenOutcome} that knows the stream's context. */
export type TracedOutcome =
  | (Extract<OpenOutcome, { kind: "opened" }> & { readonly context: TraceContext })
  | Exclude<OpenOutcome, { kind: "opened" }>;

/** What opening needs beside {@link OpenUpstreamOptions}. */
export interface OpenTracedOptions extends OpenUpstreamOptions {
  readonly opener: Opener;
  readonly clock: Clock;
  readonly ids: SpanIds;
  readonly record: (span: Span) => void;
}

/** Makes the function that opens a stream for an exchange. */
export function tracedOpener(
  options: OpenTracedOptions,
): (exchange: Exchange, destination: Destination) => Promise<TracedOutcome> {
  const { clock, ids, record, opener } = options;
  return async (exchange, destination) => {
    const { sampled } = exchange.trace.context;
    // A stream outlives the request that opens it and carries others, so its trace is not the request's.
    const context = { traceId: ids.traceId(), spanId: ids.spanId(), sampled };
    const startMs = clock.nowMs();
    const outcome = await openUpstream(opener, destination, { caller: exchange.caller, context }, options);
    if (sampled)
      record(streamSpan(exchange, destination, { context, startMs, endMs: clock.nowMs(), outcome }));
    return outcome.kind === "opened" ? { ...outcome, context } : outcome;
  };
}

function streamSpan(
  exchange: Exchange,
  destination: Destination,
  facts: {
    readonly context: TraceContext;
    readonly startMs: number;
    readonly endMs: number;
    readonly outcome: OpenOutcome;
  },
): Span {
  const { traceId, spanId } = exchange.trace.context;
  return {
    traceId: facts.context.traceId,
    spanId: facts.context.spanId,
    parentSpanId: undefined,
    name: `CONNECT ${formatSocketAddress(destination.target)}`,
    kind: "client",
    startMs: facts.startMs,
    endMs: facts.endMs,
    attributes: {
      "network.peer.address": formatSocketAddress(destination.tunnelAddress),
      ...(destination.identities === undefined
        ? {}
        : { "lambient.callee": destination.identities.join(",") }),
    },
    links: [{ traceId, spanId }],
    error: facts.outcome.kind === "opened" ? undefined : facts.outcome.reason,
  };
}

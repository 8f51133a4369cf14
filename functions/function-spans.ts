/** The spans of functions on their way to the store. Whose they are is said here; of what a function's process says, only ids, times and a bounded name are taken. */
import type { Span } from "#core/telemetry/span.ts";
import type { SpanResource } from "#core/telemetry/span-otlp.ts";
import { openSpanExporter, type SpanExporter, type SpanExporterOptions } from "#host/spans/span-exporter.ts";
import type { EngineSpan } from "#isolate/engine-protocol.ts";
import type { LoadRequest } from "./activation/slot-port.ts";

/** What exporting needs. */
export interface FunctionSpansOptions {
  readonly post: SpanExporterOptions["post"];
  readonly onLost: (spans: number) => void;
  readonly node: string;
}

/** Whose a span is. */
export type SpanOwner = Pick<LoadRequest, "instance" | "namespace" | "revision"> & {
  readonly function: string;
};

/** Spans of one instance that may wait; what a process reports beyond its rate is dropped before. */
const queueMax = 512;
/** Instances with an exporter; beyond it the oldest is sent off, and comes back if it has more to say. */
const exportersMax = 256;
const flushMs = 2000;

/** See the file's opening. */
export class FunctionSpans {
  readonly #options: FunctionSpansOptions;
  /** One an instance: the resource is said once a batch. */
  readonly #exporters = new Map<string, SpanExporter>();

  constructor(options: FunctionSpansOptions) {
    this.#options = options;
  }

  /** Takes a request's span as the instance's process reported it. */
  recordRequest(owner: SpanOwner, span: EngineSpan): void {
    if (span.droppedBefore > 0) this.#options.onLost(span.droppedBefore);
    this.record(owner, {
      traceId: span.traceId,
      spanId: span.spanId,
      parentSpanId: span.parentSpanId,
      name: span.name,
      kind: "server",
      startMs: span.startMs,
      endMs: Math.max(span.startMs, span.endMs),
      attributes: { "http.response.status_code": span.status },
      links: [],
      error: span.status >= 500 ? `status ${span.status}` : undefined,
    });
  }

  /** Takes a span made here. */
  record(owner: SpanOwner, span: Span): void {
    const exporter = this.#exporterOf(owner);
    const before = exporter.dropped;
    exporter.record(span);
    if (exporter.dropped > before) this.#options.onLost(exporter.dropped - before);
  }

  /** Sends what an instance left and forgets it. */
  async close(instance: string): Promise<void> {
    const exporter = this.#exporters.get(instance);
    if (exporter === undefined) return;
    this.#exporters.delete(instance);
    await exporter.flush(flushMs);
    exporter.close();
  }

  /** Sends what every instance left. */
  async closeAll(): Promise<void> {
    await Promise.all(Array.from(this.#exporters.keys(), (instance) => this.close(instance)));
  }

  #exporterOf(owner: SpanOwner): SpanExporter {
    const known = this.#exporters.get(owner.instance);
    if (known !== undefined) return known;
    const { post, onLost } = this.#options;
    const made = openSpanExporter({ resource: this.#resourceOf(owner), post, queueMax, onLost });
    this.#exporters.set(owner.instance, made);
    const [oldest] = this.#exporters.keys();
    if (this.#exporters.size > exportersMax && oldest !== undefined) void this.close(oldest);
    return made;
  }

  #resourceOf(owner: SpanOwner): SpanResource {
    return {
      service: "function",
      instance: owner.instance,
      attributes: {
        "k8s.namespace.name": owner.namespace,
        "k8s.node.name": this.#options.node,
        "lambient.function": owner.function,
        "lambient.revision": owner.revision,
      },
    };
  }
}

/** Traces inside a function's process: keeps a request's context for what the request does, marks outgoing calls, reports one span a request. */
import { AsyncLocalStorage } from "node:async_hooks";
import { formatTraceparent, parseTraceparent, type TraceContext } from "#core/telemetry/trace-context.ts";
import type { EngineSpan } from "./engine-protocol.ts";

/** Takes a finished span. */
export type ReportSpan = (span: EngineSpan) => void;

const spansPerSecond = 200;
const nameCharsMax = 200;

/** See the file's opening. */
export class Tracer {
  readonly #report: ReportSpan;
  readonly #current = new AsyncLocalStorage<TraceContext>();
  #second = 0;
  #reportedInSecond = 0;
  #dropped = 0;

  constructor(report: ReportSpan) {
    this.#report = report;
  }

  /** Serves a request within its own span. */
  async serve(request: Request, answer: () => Promise<Response>): Promise<Response> {
    const parent = parseTraceparent(request.headers.get("traceparent") ?? undefined);
    if (parent === undefined) return answer();
    const own: TraceContext = { ...parent, spanId: newSpanId() };
    const startMs = now();
    const response = await this.#current.run(own, answer);
    if (parent.sampled) this.#finish(request, parent, { own, startMs, status: response.status });
    return response;
  }

  /** Runs something within a context that came by another way than a request; its span is the sender's to record. */
  within<T>(traceparent: string | undefined, action: () => T): T {
    const context = parseTraceparent(traceparent);
    return context === undefined ? action() : this.#current.run(context, action);
  }

  /** A `fetch` that carries the current context, unless the caller sets its own. */
  wrapFetch(original: typeof fetch): typeof fetch {
    const traced = (input: Request | URL | string, init?: RequestInit): Promise<Response> => {
      const context = this.#current.getStore();
      if (context === undefined) return original(input, init);
      const headers = new Headers(init?.headers ?? (input instanceof Request ? input.headers : undefined));
      if (!headers.has("traceparent")) headers.set("traceparent", formatTraceparent(context));
      return original(input, { ...init, headers });
    };
    return Object.assign(traced, { preconnect: original.preconnect });
  }

  #finish(
    request: Request,
    parent: TraceContext,
    done: { readonly own: TraceContext; readonly startMs: number; readonly status: number },
  ): void {
    const endMs = now();
    const second = Math.floor(endMs / 1000);
    if (second !== this.#second) {
      this.#second = second;
      this.#reportedInSecond = 0;
    }
    if (this.#reportedInSecond >= spansPerSecond) {
      this.#dropped++;
      return;
    }
    this.#reportedInSecond++;
    this.#report({
      traceId: parent.traceId,
      spanId: done.own.spanId,
      parentSpanId: parent.spanId,
      name: `${request.method} ${new URL(request.url).pathname}`.slice(0, nameCharsMax),
      startMs: done.startMs,
      endMs,
      status: done.status,
      droppedBefore: this.#dropped,
    });
    this.#dropped = 0;
  }
}

function now(): number {
  return performance.timeOrigin + performance.now();
}

function newSpanId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(8));
  if (bytes[0] === 0) bytes[0] = 1; // An id of zeros alone is not one.
  return Buffer.from(bytes).toString("hex");
}

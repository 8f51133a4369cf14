/** Sends finished spans to the store on `api.sock` as OTLP/JSON, in bounded batches; drops rather than waits. */
import { readFileSync } from "node:fs";
import { formatOtlpTraces, type SpanResource } from "#core/telemetry/span-otlp.ts";
import type { Span } from "#core/telemetry/span.ts";
import { type Clock, systemClock, type Timer } from "#host/clock.ts";
import { errorText } from "#host/mesh-error.ts";

/** Where spans go, and how many may wait. */
export interface SpanExporterOptions {
  readonly resource: SpanResource;
  /** Sends one batch; throws when it did not arrive. */
  readonly post: (body: string, signal: AbortSignal) => Promise<void>;
  /** Spans waiting at most; more are dropped. Default 4096. */
  readonly queueMax?: number;
  /** Spans of a batch at most. Default 512. */
  readonly batchMax?: number;
  /** Longest a span waits for its batch to fill. Default 200 ms. */
  readonly delayMs?: number;
  /** Longest one batch may take. Default 5 s. */
  readonly timeoutMs?: number;
  readonly clock?: Clock;
  /** Told once for each batch that was lost. */
  readonly onLost?: (spans: number, reason: string) => void;
}

/** Takes spans and sends them in the background. */
export interface SpanExporter {
  /** Takes a span, or counts it as dropped when too many wait. Never throws. */
  record(span: Span): void;
  /** Sends what waits and resolves when it left or was lost, at the latest after `timeoutMs`; before sleep or exit. */
  flush(timeoutMs: number): Promise<void>;
  /** Spans that reached the store. */
  readonly exported: number;
  /** Spans lost to a full queue or a failed batch. */
  readonly dropped: number;
  /** Drops what waits and stops. */
  close(): void;
}

/** Opens an exporter. */
export function openSpanExporter(options: SpanExporterOptions): SpanExporter {
  return new Exporter(options);
}

/** A `post` that reaches the control plane's store below a run directory with a program's token, read at each batch. */
export function postToStore(runDir: string, program: string): SpanExporterOptions["post"] {
  return async (body, signal) => {
    const token = readFileSync(`${runDir}/tokens/${program}`, "utf8").trim();
    const response = await fetch("https://lambient.local/v1/traces", {
      method: "POST",
      unix: `${runDir}/api.sock`,
      tls: { ca: readFileSync(`${runDir}/ca.pem`, "utf8") },
      headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
      body,
      signal,
    });
    await response.arrayBuffer();
    if (!response.ok) throw new Error(`Cannot export spans as a batch: status ${response.status}`);
  };
}

class Exporter implements SpanExporter {
  readonly #options: SpanExporterOptions;
  readonly #clock: Clock;
  readonly #closed = new AbortController();
  #waiting: Span[] = [];
  #timer: Timer | undefined;
  #sending: Promise<void> | undefined;
  exported = 0;
  dropped = 0;

  constructor(options: SpanExporterOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
  }

  record(span: Span): void {
    if (this.#closed.signal.aborted || this.#waiting.length >= (this.#options.queueMax ?? 4096)) {
      this.dropped++;
      return;
    }
    this.#waiting.push(span);
    if (this.#waiting.length >= this.#batchMax) this.#start();
    else this.#timer ??= this.#clock.after(this.#options.delayMs ?? 200, () => this.#start());
  }

  async flush(timeoutMs: number): Promise<void> {
    const late = Promise.withResolvers<void>();
    const timer = this.#clock.after(timeoutMs, () => late.resolve());
    this.#start();
    await Promise.race([this.#sending ?? Promise.resolve(), late.promise]);
    timer.cancel();
  }

  close(): void {
    this.#closed.abort();
    this.#timer?.cancel();
    this.dropped += this.#waiting.length;
    this.#waiting = [];
  }

  get #batchMax(): number {
    return this.#options.batchMax ?? 512;
  }

  #start(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    if (this.#sending !== undefined || this.#waiting.length === 0) return;
    this.#sending = this.#sendAll().finally(() => (this.#sending = undefined));
  }

  /** One batch after the other, so that a slow store sees one request at a time. */
  async #sendAll(): Promise<void> {
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.splice(0, this.#batchMax);
      try {
        const deadline = AbortSignal.timeout(this.#options.timeoutMs ?? 5000);
        const body = formatOtlpTraces(this.#options.resource, batch);
        await this.#options.post(body, AbortSignal.any([this.#closed.signal, deadline]));
        this.exported += batch.length;
      } catch (error) {
        this.dropped += batch.length;
        this.#options.onLost?.(batch.length, errorText(error));
      }
    }
  }
}

/** Every exchange under way: made when a request's head was read, told to log, metrics and trace when it is over. */
import { type HttpProblem, problem } from "#core/http1/head.ts";
import type { ServiceEntry } from "#core/routing/service-table.ts";
import type { Span } from "#core/telemetry/span.ts";
import type { Clock } from "#host/clock.ts";
import type { SpanIds } from "#host/spans/span-ids.ts";
import { accessFields, type AccessFields, problemFields } from "./access-log.ts";
import { Ending } from "./ending.ts";
import type { Caller, Exchange } from "./exchange.ts";
import type { ReceivedRequest } from "./connection-ports.ts";
import type { WaypointMetrics } from "./metrics.ts";
import { requestSpan, type Sampler, startTrace } from "./trace.ts";

/** What exchanges are told to. */
export interface ExchangesOptions {
  readonly clock: Clock;
  readonly ids: SpanIds;
  readonly sampler: Sampler;
  readonly metrics: WaypointMetrics;
  readonly log: (fields: AccessFields) => void;
  readonly record: (span: Span) => void;
  /** Requests at once. */
  readonly requestsMax: number;
}

/** See the file's first line. */
export class Exchanges {
  readonly #options: ExchangesOptions;
  #nextId = 1;
  #open = 0;
  #finished = 0;
  #lastOverMs: number;

  constructor(options: ExchangesOptions) {
    this.#options = options;
    this.#lastOverMs = options.clock.monotonicMs();
  }

  /** Requests under way. */
  get open(): number {
    return this.#open;
  }

  /** Requests that ended. */
  get finished(): number {
    return this.#finished;
  }

  /** When the last one ended, or somebody came; only of meaning while none is open. */
  get lastOverMs(): number {
    return this.#lastOverMs;
  }

  /** Somebody came, or may come from now on: idleness counts from here. */
  touch(): void {
    this.#lastOverMs = this.#options.clock.monotonicMs();
  }

  /** Makes the exchange of a request, or says why there can be none. */
  begin(request: ReceivedRequest, caller: Caller, service: ServiceEntry): Exchange | HttpProblem {
    const { clock, ids, sampler, requestsMax } = this.#options;
    if (this.#open >= requestsMax) return problem(503, "too many requests are under way");
    this.#open++;
    const trace = startTrace(request.head.headers, ids, sampler);
    if (caller.connectContext !== undefined) trace.links.push(caller.connectContext);
    return {
      id: this.#nextId++,
      caller,
      service,
      received: request.head,
      head: request.head,
      framing: request.framing,
      body: request.body,
      port: request.port,
      trace,
      startedMs: clock.monotonicMs(),
      ending: new Ending(),
      route: undefined,
      lease: undefined,
      answer: undefined,
      response: undefined,
      isUpgraded: false,
      upstream: undefined,
      upstreamIdentity: undefined,
      attempts: 0,
      flag: "-",
      detail: "",
      policy: "",
      bytesReceived: 0,
      bytesSent: 0,
      status: 0,
    };
  }

  /** The exchange is over. */
  finish(exchange: Exchange): void {
    const { clock, metrics, log, record } = this.#options;
    this.#open--;
    this.#finished++;
    this.#lastOverMs = clock.monotonicMs();
    const durationMs = this.#lastOverMs - exchange.startedMs;
    metrics.onRequest(exchange, durationMs);
    log(accessFields(exchange, durationMs));
    if (exchange.trace.context.sampled) record(spanOf(exchange, clock.nowMs(), durationMs));
  }

  /** A request that could not be read. */
  refuse(refused: HttpProblem, caller: Caller): void {
    this.#options.log(problemFields(refused, caller.identity));
  }
}

function spanOf(exchange: Exchange, endMs: number, durationMs: number): Span {
  const { received, service, lease, caller, status, flag } = exchange;
  return requestSpan(exchange.trace, {
    name: `${received.method} ${service.name || "unknown"}`,
    startMs: endMs - durationMs,
    endMs,
    attributes: {
      "http.request.method": received.method,
      "url.path": received.target.slice(0, 1024),
      "http.response.status_code": status,
      "server.address": service.hostname,
      "lambient.caller": caller.identity,
      ...(exchange.upstreamIdentity === undefined ? {} : { "lambient.callee": exchange.upstreamIdentity }),
      ...(lease === undefined ? {} : { "lambient.instance": lease.instance, "lambient.rung": lease.rung }),
      ...(flag === "-" ? {} : { "lambient.response_flags": flag }),
    },
    error: status >= 500 || flag === "UC" ? exchange.detail || `status ${status}` : undefined,
  });
}

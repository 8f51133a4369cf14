import { expect, test } from "bun:test";
import { problem } from "#core/http1/head.ts";
import { noService } from "#core/routing/service-table.ts";
import type { Span } from "#core/telemetry/span.ts";
import { makeMetricsRegistry } from "#host/admin/metrics.ts";
import { FakeClock } from "#host/fake/fake-clock.ts";
import { makeSpanIds } from "#host/spans/span-ids.ts";
import type { AccessFields } from "./access-log.ts";
import type { ReceivedRequest } from "./connection-ports.ts";
import type { Exchange } from "./exchange.ts";
import { Exchanges } from "./exchanges.ts";
import { cart, makeExchange } from "./fake/make-exchange.ts";
import { declareMetrics } from "./metrics.ts";
import { samplesAsAsked } from "./trace.ts";

class Bench {
  readonly clock = new FakeClock();
  readonly lines: AccessFields[] = [];
  readonly spans: Span[] = [];
  readonly exchanges = new Exchanges({
    clock: this.clock,
    ids: makeSpanIds(),
    sampler: samplesAsAsked,
    metrics: declareMetrics(makeMetricsRegistry(), "waypoint"),
    log: (fields) => void this.lines.push(fields),
    record: (span) => void this.spans.push(span),
    requestsMax: 1,
  });

  begin(flags: string): Exchange {
    const { port } = makeExchange();
    const request: ReceivedRequest = {
      head: {
        method: "GET",
        target: "/",
        version: "1.1",
        headers: [["traceparent", `00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-${flags}`]],
      },
      framing: { kind: "none" },
      body: undefined,
      port,
    };
    const begun = this.exchanges.begin(request, cart, { ...noService, name: "web" });
    if ("reason" in begun) throw new Error(begun.reason);
    return begun;
  }
}

test("what is over leaves one line, and a span when it was sampled", () => {
  const bench = new Bench();
  const exchange = bench.begin("01");
  expect(bench.exchanges.open).toBe(1);
  exchange.status = 502;
  exchange.flag = "UC";
  exchange.detail = "the instance died";
  bench.clock.advance(5);
  bench.exchanges.finish(exchange);
  expect(bench.lines).toMatchObject([{ response_code: 502, response_flags: "UC", duration: 5 }]);
  expect(bench.spans).toMatchObject([
    {
      name: "GET web",
      parentSpanId: "b7ad6b7169203331",
      error: "the instance died",
      attributes: { "http.response.status_code": 502, "lambient.response_flags": "UC" },
    },
  ]);
  bench.exchanges.finish(bench.begin("00"));
  expect([bench.lines.length, bench.spans.length, bench.exchanges.open, bench.exchanges.finished]).toEqual([
    2, 1, 0, 2,
  ]);
});

test("beyond the bound a request may not begin", () => {
  const bench = new Bench();
  bench.begin("00");
  expect(() => bench.begin("00")).toThrow("too many requests are under way");
});

test("a request that could not be read leaves a line, and coming counts as activity", () => {
  const bench = new Bench();
  bench.exchanges.refuse(problem(400, "no Host"), cart);
  expect(bench.lines).toMatchObject([{ response_code: 400, response_flags: "DPE" }]);
  bench.clock.advance(10);
  bench.exchanges.touch();
  expect(bench.exchanges.lastOverMs).toBe(bench.clock.monotonicMs());
});

import { expect, test } from "bun:test";
import { makeMetricsRegistry, type MetricsRegistry } from "#host/admin/metrics.ts";
import { cart, makeExchange } from "./fake/make-exchange.ts";
import { declareGauges, declareMetrics } from "./metrics.ts";

function zero(): number {
  return 0;
}

test("metrics carry Istio's labels, once for each set of them", () => {
  const registry = makeMetricsRegistry();
  const metrics = declareMetrics(registry, "waypoint");
  declareGauges(registry, {
    openRequests: () => 3,
    openConnections: zero,
    leasedInstances: zero,
    logLinesDropped: zero,
    spansDropped: zero,
  });
  const exchange = makeExchange({ status: 200, bytesSent: 12 });
  metrics.onRequest(exchange, 1.5);
  metrics.onRequest(exchange, 0.2);
  metrics.onRequest(makeExchange({ status: 404, flag: "NR", caller: { ...cart, isOutside: true } }), 1);
  metrics.onActivation("ok", 4);
  const text = registry.format();
  expect(text).toMatch(
    /istio_requests_total\{reporter="waypoint",.*source_principal="cluster.local\/ns\/shop\/sa\/cart".*response_code="200".*connection_security_policy="mutual_tls"\} 2\n/,
  );
  expect(text).toMatch(
    /istio_requests_total\{.*source_principal="unknown".*response_code="404".*response_flags="NR".*\} 1\n/,
  );
  expect(text).toMatch(/istio_response_bytes_sum\{.*response_code="200".*\} 24\n/);
  expect(text).toContain("lambient_requests_open 3\n");
});

test("series beyond those kept at hand are found anew, and go on counting where they were", () => {
  const registry = makeMetricsRegistry();
  let found = 0;
  const counting: MetricsRegistry = {
    ...registry,
    counter(options) {
      const family = registry.counter(options);
      return (values) => {
        found++;
        return family(values);
      };
    },
  };
  const metrics = declareMetrics(counting, "waypoint", 2);
  const ask = (status: number): number => {
    metrics.onRequest(makeExchange({ status }), 1);
    return found;
  };
  // The third set of labels does not fit beside two: all are let go, and each is found once more.
  expect([200, 404, 200, 404].map(ask)).toEqual([1, 2, 2, 2]);
  expect([500, 200, 500, 200].map(ask)).toEqual([3, 4, 4, 4]);
  const counts = registry
    .format()
    .split("\n")
    .flatMap(
      (line) => /^istio_requests_total\{.*response_code="(\d+)".*\} (\d+)$/.exec(line)?.slice(1) ?? [],
    );
  expect(counts).toEqual(["200", "4", "404", "2", "500", "2"]);
});

import { expect, test } from "bun:test";
import { makeMetricsRegistry } from "#host/admin/metrics.ts";
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

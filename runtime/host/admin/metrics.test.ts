import { expect, test } from "bun:test";
import { makeMetricsRegistry } from "./metrics.ts";

test("format() exposes counters, gauges and histograms in Prometheus' text form", () => {
  const metrics = makeMetricsRegistry();
  const opened = metrics.counter({ name: "opened_total", help: "Connections\nopened", labels: ["a", "b"] });
  opened({ b: "2", a: 'x"\\' }).add();
  opened({ a: 'x"\\', b: "2" }).add(2);
  metrics.gauge({ name: "open", help: "Open now", labels: [] })({}).set(7);
  const took = metrics.histogram({ name: "took_seconds", help: "Duration", labels: ["op"], bounds: [1, 5] });
  for (const value of [0.5, 1, 3, 9]) took({ op: "get" }).observe(value);
  expect(metrics.format()).toBe(
    [
      "# HELP opened_total Connections\\nopened",
      "# TYPE opened_total counter",
      'opened_total{a="x\\"\\\\",b="2"} 3',
      "# HELP open Open now",
      "# TYPE open gauge",
      "open 7",
      "# HELP took_seconds Duration",
      "# TYPE took_seconds histogram",
      'took_seconds_bucket{op="get",le="1"} 2',
      'took_seconds_bucket{op="get",le="5"} 3',
      'took_seconds_bucket{op="get",le="+Inf"} 4',
      'took_seconds_sum{op="get"} 13.5',
      'took_seconds_count{op="get"} 4',
      "",
    ].join("\n"),
  );
});

test("a family keeps no more series than allowed and counts the rest together", () => {
  const metrics = makeMetricsRegistry();
  const hits = metrics.counter({ name: "hits_total", help: "Hits", labels: ["who"], seriesMax: 2 });
  for (const who of ["a", "b", "c", "d", "a"]) hits({ who }).add();
  expect(metrics.format().split("\n").slice(2, -1)).toEqual([
    'hits_total{who="a"} 2',
    'hits_total{who="b"} 1',
    'hits_total{who="overflow"} 2',
  ]);
});

test("onCollect() is asked before each exposition", () => {
  const metrics = makeMetricsRegistry();
  const size = metrics.gauge({ name: "size", help: "Size", labels: [] })({});
  let current = 1;
  metrics.onCollect(() => size.set(current));
  expect(metrics.format()).toEndWith("size 1\n");
  current = 2;
  expect(metrics.format()).toEndWith("size 2\n");
});

import { expect, test } from "bun:test";
import { benchRow, parseWrk, percentile } from "./bench.ts";

const report = `Running 4s test @ http://127.0.0.1:1/
  1 threads and 32 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     1.02ms    0.95ms  21.92ms   96.82%
    Req/Sec    36.50k     2.01k   40.11k    75.00%
  Latency Distribution
     50%  812.00us
     75%    1.11ms
     90%    1.50ms
     99%    3.04ms
  145321 requests in 4.00s, 17.91MB read
  Socket errors: connect 1, read 2, write 0, timeout 3
  Non-2xx or 3xx responses: 4
Requests/sec:  36330.25
Transfer/sec:      4.50MB
`;

test("parseWrk() reads every figure, errors included", () => {
  expect(parseWrk("wrk", report)).toEqual({
    command: "wrk",
    requests: 145_321,
    requestsPerS: 36_330.25,
    bytesPerS: 4.5 * 1024 * 1024,
    p50Ms: 0.812,
    p99Ms: 3.04,
    errors: 10,
  });
});

test("parseWrk() refuses what is no report", () => {
  expect(() => parseWrk("wrk", "unable to connect")).toThrow("Cannot read wrk's report");
});

test.each([
  ["half of three", [3, 1, 2], 0.5, 2],
  ["p99 of few is the largest", [1, 2, 3], 0.99, 3],
  ["p0 is the smallest", [5, 4], 0, 4],
] as const)("percentile(): %s", (_, samples, share, want) => {
  expect(percentile(samples, share)).toBe(want);
});

test("benchRow() is above 1 where ours is better", () => {
  expect(benchRow("r", { ours: 20, peer: 10 }, "req/s", "higher").ratio).toBe(2);
  expect(benchRow("l", { ours: 5, peer: 10 }, "ms", "lower").ratio).toBe(2);
});

import { expect, test } from "bun:test";
import { problem } from "#core/http1/head.ts";
import { accessFields, formatAccess, problemFields } from "./access-log.ts";
import { makeExchange } from "./fake/make-exchange.ts";

const atMs = Date.UTC(2026, 10, 24, 12, 0, 0, 5);

test("a refused request's line names flags, reason and policy", () => {
  const exchange = makeExchange({
    status: 403,
    flag: "RBAC",
    detail: 'denied by "x"',
    policy: "shop/no-cart",
  });
  expect(formatAccess(accessFields(exchange, 1.23456), atMs, "text")).toBe(
    "2026-11-24T12:00:00.005Z\tinfo\taccess\trequest complete\t" +
      'method="GET" path="/" protocol="HTTP/1.1" response_code=403 response_flags="RBAC" ' +
      'response_code_details="denied by \\"x\\"" bytes_received=0 bytes_sent=0 duration=1.235 authority="web.shop" ' +
      'src.identity="spiffe://cluster.local/ns/shop/sa/cart" src.addr="10.244.0.3" dst.service="web.shop.svc" ' +
      'policy="shop/no-cart" trace_id="0af7651916cd43dd8448eb211c80319c"\n',
  );
});

test("JSON has the same fields", () => {
  const line = formatAccess(accessFields(makeExchange({ status: 200 }), 1), atMs, "json");
  expect(JSON.parse(line)).toMatchObject({
    time: "2026-11-24T12:00:00.005Z",
    scope: "access",
    response_code: 200,
    response_flags: "-",
    duration: 1,
  });
});

test("a hostile path cannot forge a line", () => {
  const received = { method: "GET", target: '/"\\x', version: "1.1" as const, headers: [] };
  const line = formatAccess(accessFields(makeExchange({ received }), 1), atMs, "text");
  expect(line).toContain('path="/\\"\\\\x"');
  expect(line.trimEnd()).not.toContain("\n");
});

test("a request that could not be read leaves a line too", () => {
  expect(formatAccess(problemFields(problem(400, "no Host"), "spiffe://x"), atMs, "text")).toEndWith(
    'response_code=400 response_flags="DPE" response_code_details="no Host" src.identity="spiffe://x"\n',
  );
});

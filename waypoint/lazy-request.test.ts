import { expect, test } from "bun:test";
import { makeExchange } from "./fake/make-exchange.ts";
import { lazyRequest } from "./lazy-request.ts";

test("a stage sees the head as it is now, odd methods and repeated fields included", () => {
  const exchange = makeExchange({
    received: {
      method: "FOO",
      target: "/a%2Fb?c=d",
      version: "1.1",
      headers: [
        ["host", "x"],
        ["a", "1"],
        ["a", "2"],
      ],
    },
  });
  const request = lazyRequest(exchange);
  expect([request.method, request.url, request.headers.get("a"), request.body]).toEqual([
    "FOO",
    "http://web.shop.svc/a%2Fb?c=d",
    "1, 2",
    null,
  ]);
  exchange.head = { ...exchange.head, method: "OPTIONS", target: "*" };
  expect([request.method, request.url]).toEqual(["OPTIONS", "http://web.shop.svc/*"]);
});

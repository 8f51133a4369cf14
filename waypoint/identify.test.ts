import { expect, test } from "bun:test";
import type { HeaderField } from "#core/h2/header-field.ts";
import { formatSpiffeId } from "#core/identity/spiffe-id.ts";
import { cart, makeExchange } from "./fake/make-exchange.ts";
import { nameCaller, nameOutsider } from "./identify.ts";

const own = formatSpiffeId({ trustDomain: "cluster.local", namespace: "shop", serviceAccount: "waypoint" });
const sent: HeaderField[] = [
  ["host", "x"],
  ["x-forwarded-client-cert", "URI=spiffe://cluster.local/ns/shop/sa/admin"],
  ["x-lambient-anything", "1"],
  ["lambient-caller", "spiffe://cluster.local/ns/shop/sa/admin;10.0.0.1"],
  ["x-forwarded-for", "10.0.0.1"],
  ["x-forwarded-proto", "https"],
  ["forwarded", "for=10.0.0.1"],
  ["x-real-ip", "10.0.0.1"],
  ["x-envoy-original-path", "/"],
  ["x-istio-source", "gateway"],
  ["x-mine", "2"],
];

test("nameCaller() says who the caller is by its certificate and leaves what is no identity", () => {
  const exchange = makeExchange({ head: { method: "GET", target: "/", version: "1.1", headers: sent } });
  nameCaller(exchange, own);
  expect(exchange.head.headers).toEqual([
    ["host", "x"],
    ["x-forwarded-for", "10.0.0.1"],
    ["x-forwarded-proto", "https"],
    ["forwarded", "for=10.0.0.1"],
    ["x-real-ip", "10.0.0.1"],
    ["x-envoy-original-path", "/"],
    ["x-istio-source", "gateway"],
    ["x-mine", "2"],
    ["x-forwarded-client-cert", `By=${own};URI=${cart.identity}`],
  ]);
});

test("nameOutsider() drops all of it and says where the request came from", () => {
  const exchange = makeExchange({ head: { method: "GET", target: "/", version: "1.1", headers: sent } });
  nameOutsider(exchange);
  expect(exchange.head.headers).toEqual([
    ["host", "x"],
    ["x-mine", "2"],
    ["x-forwarded-for", cart.address],
    ["x-forwarded-proto", "http"],
  ]);
});

import { expect, test } from "bun:test";
import { create } from "@bufbuild/protobuf";
import type { IpAddress } from "#core/address/ip.ts";
import type { SpiffeId } from "#core/identity/spiffe-id.ts";
import { readPolicy } from "#core/policy/policy.ts";
import { noPolicies, resolvePolicies, withPolicies } from "#core/policy/policy-set.ts";
import { AuthorizationSchema, Scope } from "#core/proto/istio/authorization_pb.js";
import { decideInbound, type InboundAsked, type InboundWorkload } from "./decide-inbound.ts";
import { emptySnapshot } from "./snapshot.ts";

const ip = (text: string): IpAddress => text as IpAddress;
const id = (account: string): SpiffeId => `spiffe://cluster.local/ns/shop/sa/${account}` as SpiffeId;

const onlyCart = readPolicy(
  create(AuthorizationSchema, {
    name: "only-cart",
    namespace: "shop",
    scope: Scope.NAMESPACE,
    groups: [
      {
        rules: [
          {
            matches: [
              { principals: [{ matchType: { case: "exact", value: "cluster.local/ns/shop/sa/cart" } }] },
            ],
          },
        ],
      },
    ],
  }),
);
const set = withPolicies(noPolicies, onlyCart.ok ? [onlyCart.value] : [], []);

const price: InboundWorkload = {
  uid: "price-1",
  namespace: "shop",
  address: ip("10.244.0.9"),
  waypointIdentity: undefined,
  trustedWaypoints: new Set(),
  policies: resolvePolicies(set, ["shop/only-cart"]),
};
const guarded: InboundWorkload = { ...price, waypointIdentity: id("waypoint") };
const spokenFor: InboundWorkload = { ...price, trustedWaypoints: new Set([id("waypoint")]) };

const fromCart: InboundAsked = {
  target: { kind: "address", address: { ip: ip("10.244.0.9"), port: 8080 } },
  peer: id("cart"),
  peerAddress: ip("10.244.0.3"),
  namedCaller: undefined,
};
const cart = { identity: id("cart"), address: ip("10.244.0.3") };
const web = { identity: id("web"), address: ip("10.244.0.2") };
const fromWaypoint: InboundAsked = {
  ...fromCart,
  peer: id("waypoint"),
  peerAddress: ip("10.245.0.2"),
  namedCaller: cart,
};

test.each<[string, InboundWorkload, InboundAsked, string]>([
  ["an allowed caller", price, fromCart, "8080 as cart 10.244.0.3"],
  ["another caller", price, { ...fromCart, peer: id("web") }, "401 DENY"],
  ["no readable authority", price, { ...fromCart, target: undefined }, "400 -"],
  [
    "another workload's address",
    price,
    { ...fromCart, target: { kind: "address", address: { ip: ip("10.244.0.8"), port: 8080 } } },
    "400 -",
  ],
  [
    "a port of ours",
    price,
    { ...fromCart, target: { kind: "address", address: { ip: ip("10.244.0.9"), port: 15008 } } },
    "503 -",
  ],
  [
    "a hostname that is not known",
    price,
    { ...fromCart, target: { kind: "name", hostname: "x.y", port: 80 } },
    "503 CONNECT",
  ],
  ["a waypoint that is not bound here: its word counts for nothing", price, fromWaypoint, "401 DENY"],
  ["a caller past the waypoint", guarded, fromCart, "401 DENY"],
  ["the waypoint for an allowed caller", guarded, fromWaypoint, "8080 as cart 10.244.0.3"],
  ["the waypoint for another caller", guarded, { ...fromWaypoint, namedCaller: web }, "401 DENY"],
  ["the waypoint for itself", guarded, { ...fromWaypoint, namedCaller: undefined }, "401 DENY"],
  ["the waypoint with a malformed name", guarded, { ...fromWaypoint, namedCaller: "malformed" }, "400 -"],
  ["a waypoint that may be gone past", spokenFor, fromWaypoint, "8080 as cart 10.244.0.3"],
  ["that waypoint for another caller", spokenFor, { ...fromWaypoint, namedCaller: web }, "401 DENY"],
  ["that waypoint with a malformed name", spokenFor, { ...fromWaypoint, namedCaller: "malformed" }, "400 -"],
  ["a caller past that waypoint", spokenFor, fromCart, "8080 as cart 10.244.0.3"],
  [
    "a caller past it that names another",
    spokenFor,
    { ...fromCart, peer: id("web"), namedCaller: cart },
    "401 DENY",
  ],
  [
    "somebody else with a malformed name",
    price,
    { ...fromCart, namedCaller: "malformed" },
    "8080 as cart 10.244.0.3",
  ],
  [
    "a policy that is not held",
    { ...price, policies: resolvePolicies(set, ["shop/later"]) },
    fromCart,
    "401 DENY",
  ],
])("decideInbound() with %s", (_name, workload, asked, want) => {
  const decision = decideInbound(emptySnapshot, workload, asked);
  const got =
    decision.kind === "connect"
      ? `${decision.port} as ${decision.caller.identity.split("/").at(-1)} ${decision.caller.address}`
      : `${decision.status} ${decision.flag}`;
  expect(got).toBe(want);
});

test("decideInbound() names the policies that refused", () => {
  const decision = decideInbound(emptySnapshot, price, { ...fromCart, peer: id("web") });
  expect(decision.kind === "refuse" && decision.text).toBe(
    "connection closed due to policy rejection: allow policies exist, but none allowed: shop/only-cart",
  );
});

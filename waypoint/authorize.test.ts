import { create } from "@bufbuild/protobuf";
import { expect, test } from "bun:test";
import { readPolicy } from "#core/policy/policy.ts";
import {
  type ApplicablePolicies,
  noPolicies,
  resolvePolicies,
  withPolicies,
} from "#core/policy/policy-set.ts";
import { Action, AuthorizationSchema } from "#core/proto/istio/authorization_pb.js";
import { authorize } from "./authorize.ts";
import { makeExchange } from "./fake/make-exchange.ts";

function policies(
  action: Action,
  principal: string,
  keys: readonly string[] = ["shop/p"],
): ApplicablePolicies {
  const read = readPolicy(
    create(AuthorizationSchema, {
      name: "p",
      namespace: "shop",
      action,
      groups: [
        { rules: [{ matches: [{ principals: [{ matchType: { case: "exact", value: principal } }] }] }] },
      ],
    }),
  );
  if (!read.ok) throw new Error(read.error);
  return resolvePolicies(withPolicies(noPolicies, [read.value], []), keys);
}

const cartPrincipal = "cluster.local/ns/shop/sa/cart";

test.each<[string, ApplicablePolicies, number | undefined, string]>([
  ["no policy", { deny: [], allow: [], dryRun: [], missing: [] }, undefined, ""],
  ["ALLOW of the caller", policies(Action.ALLOW, cartPrincipal), undefined, ""],
  ["ALLOW of another", policies(Action.ALLOW, "cluster.local/ns/shop/sa/web"), 403, "shop/p"],
  ["DENY of the caller", policies(Action.DENY, cartPrincipal), 403, "shop/p"],
  ["DENY of another", policies(Action.DENY, "cluster.local/ns/shop/sa/web"), undefined, ""],
  ["a key that is not held", policies(Action.DENY, "x", ["shop/unknown"]), 403, "shop/unknown"],
])("%s", async (_, applicable, status, policy) => {
  const exchange = makeExchange();
  const response = authorize(exchange, applicable);
  expect([response?.status, exchange.policy]).toEqual([status, policy]);
  if (response !== undefined) expect(await response.text()).toBe("access denied\n");
});

import { expect, test } from "bun:test";
import type { SpiffeId } from "#core/identity/spiffe-id.ts";
import { decideIdentity, type IdentityFacts } from "./decide-identity.ts";

const facts: IdentityFacts = {
  trustDomain: "mesh.example",
  rootNamespace: "lambient-system",
  functionAccounts: new Set(["shop/price"]),
  podAccounts: new Set(["shop/web"]),
  waypointAccounts: new Set(["shop/waypoint"]),
};

test.each<[string, string, boolean]>([
  ["ztunnel", "shop/sa/price", true],
  ["ztunnel", "shop/sa/web", true],
  ["ztunnel", "other/sa/web", false],
  ["ztunnel", "shop/sa/waypoint", false],
  ["ztunnel", "lambient-system/sa/node", true],
  ["waypoint", "shop/sa/waypoint", true],
  ["waypoint", "shop/sa/web", false],
  ["edge", "lambient-system/sa/edge", true],
  ["edge", "shop/sa/web", false],
  ["node", "shop/sa/web", false],
])("decideIdentity() for %s of %s is %p", (program, account, want) => {
  const identity = `spiffe://mesh.example/ns/${account}` as SpiffeId;
  expect(decideIdentity(program, identity, facts).ok).toBe(want);
});

test("decideIdentity() refuses another trust domain", () => {
  const identity = "spiffe://cluster.local/ns/shop/sa/web" as SpiffeId;
  expect(decideIdentity("ztunnel", identity, facts)).toMatchObject({ ok: false });
});

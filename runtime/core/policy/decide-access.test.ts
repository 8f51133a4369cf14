import { expect, test } from "bun:test";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { type IpAddress, ipBytes } from "#core/address/ip.ts";
import type { SpiffeId } from "#core/identity/spiffe-id.ts";
import { Action, AuthorizationSchema, type MatchSchema, Scope } from "#core/proto/istio/authorization_pb.js";
import { decideAccess, denialText } from "./decide-access.ts";
import { type ConnectionFacts, type Policy, readPolicy } from "./policy.ts";
import { applicableKeys, noPolicies, resolvePolicies, withPolicies } from "./policy-set.ts";

type MatchInit = MessageInitShape<typeof MatchSchema>;
type Init = MessageInitShape<typeof AuthorizationSchema>;

const ip = (text: string): IpAddress => text as IpAddress;
const id = (text: string): SpiffeId => text as SpiffeId;
const exact = (value: string) => ({ matchType: { case: "exact" as const, value } });
const prefix = (value: string) => ({ matchType: { case: "prefix" as const, value } });
const suffix = (value: string) => ({ matchType: { case: "suffix" as const, value } });
const presence = { matchType: { case: "presence" as const, value: {} } };
const range = (text: string, length: number) => ({ address: ipBytes(ip(text)), length });

const cart = id("spiffe://cluster.local/ns/shop/sa/cart");
const facts: ConnectionFacts = {
  source: cart,
  sourceAddress: ip("10.244.0.5"),
  destinationAddress: ip("10.244.0.9"),
  destinationPort: 8080,
};
const plain: ConnectionFacts = { ...facts, source: undefined };

function policy(init: Init): Policy {
  const read = readPolicy(
    create(AuthorizationSchema, { name: "p", namespace: "shop", scope: Scope.NAMESPACE, ...init }),
  );
  if (!read.ok) throw new Error(read.error);
  return read.value;
}

const withMatch = (match: MatchInit): Init => ({ groups: [{ rules: [{ matches: [match] }] }] });

const of = (name: string, namespace: string, scope: Scope): Policy => policy({ name, namespace, scope });

function isAllowed(init: Init, given = facts): boolean {
  const set = withPolicies(noPolicies, [policy(init)], []);
  return decideAccess(resolvePolicies(set, ["shop/p"]), given).kind === "allowed";
}

test.each<[string, Init, ConnectionFacts, boolean]>([
  ["a policy without groups", {}, facts, false],
  ["a group without clauses", { groups: [{}] }, facts, true],
  ["a clause without matches", { groups: [{ rules: [{}] }] }, facts, true],
  ["an empty match alone", withMatch({}), facts, false],
  [
    "an empty match beside one that holds",
    { groups: [{ rules: [{ matches: [{}, { destinationPorts: [8080] }] }] }] },
    facts,
    true,
  ],
  [
    "two clauses, one fails",
    {
      groups: [
        { rules: [{ matches: [{ destinationPorts: [8080] }] }, { matches: [{ destinationPorts: [1] }] }] },
      ],
    },
    facts,
    false,
  ],
  [
    "two groups, one holds",
    {
      groups: [
        { rules: [{ matches: [{ destinationPorts: [1] }] }] },
        { rules: [{ matches: [{ destinationPorts: [8080] }] }] },
      ],
    },
    facts,
    true,
  ],
  [
    "two attributes of a match, one fails",
    withMatch({ destinationPorts: [8080], namespaces: [exact("other")] }),
    facts,
    false,
  ],
  ["namespace exact", withMatch({ namespaces: [exact("other"), exact("shop")] }), facts, true],
  ["namespace prefix", withMatch({ namespaces: [prefix("sh")] }), facts, true],
  ["namespace suffix", withMatch({ namespaces: [suffix("op")] }), facts, true],
  ["namespace presence", withMatch({ namespaces: [presence] }), facts, true],
  ["namespace presence, plaintext", withMatch({ namespaces: [presence] }), plain, false],
  ["namespace exact empty, plaintext", withMatch({ namespaces: [exact("")] }), plain, true],
  ["not namespace", withMatch({ notNamespaces: [exact("shop")] }), facts, false],
  ["not namespace, another", withMatch({ notNamespaces: [exact("other")] }), facts, true],
  [
    "principal exact, without scheme",
    withMatch({ principals: [exact("cluster.local/ns/shop/sa/cart")] }),
    facts,
    true,
  ],
  ["principal with scheme never matches", withMatch({ principals: [exact(cart)] }), facts, false],
  ["principal suffix", withMatch({ principals: [suffix("/sa/cart")] }), facts, true],
  ["principal presence, plaintext", withMatch({ principals: [presence] }), plain, false],
  ["principal prefix empty, plaintext", withMatch({ principals: [prefix("")] }), plain, false],
  ["not principal, plaintext", withMatch({ notPrincipals: [presence] }), plain, true],
  ["not principal, identified", withMatch({ notPrincipals: [presence] }), facts, false],
  ["source range", withMatch({ sourceIps: [range("10.244.0.0", 24)] }), facts, true],
  ["source range, odd prefix", withMatch({ sourceIps: [range("10.244.0.4", 31)] }), facts, true],
  ["source range, beyond the prefix", withMatch({ sourceIps: [range("10.244.0.6", 31)] }), facts, false],
  ["source range of all", withMatch({ sourceIps: [range("0.0.0.0", 0)] }), facts, true],
  ["source range of the other family", withMatch({ sourceIps: [range("::", 0)] }), facts, false],
  ["not source range", withMatch({ notSourceIps: [range("10.244.0.5", 32)] }), facts, false],
  ["destination range", withMatch({ destinationIps: [range("10.244.0.9", 32)] }), facts, true],
  ["not destination range", withMatch({ notDestinationIps: [range("10.0.0.0", 8)] }), facts, false],
  ["port", withMatch({ destinationPorts: [80, 8080] }), facts, true],
  ["not port", withMatch({ notDestinationPorts: [8080] }), facts, false],
  [
    "service account, whatever the trust domain",
    withMatch({ serviceAccounts: [{ namespace: "shop", serviceAccount: "cart" }] }),
    { ...facts, source: id("spiffe://elsewhere/ns/shop/sa/cart") },
    true,
  ],
  [
    "service account, plaintext",
    withMatch({ serviceAccounts: [{ namespace: "", serviceAccount: "" }] }),
    plain,
    false,
  ],
  [
    "not service account",
    withMatch({ notServiceAccounts: [{ namespace: "shop", serviceAccount: "cart" }] }),
    facts,
    false,
  ],
])("an ALLOW policy decides on %s", (_name, init, given, want) => {
  expect(isAllowed(init, given)).toBe(want);
});

const everything: Init = { groups: [{}] };
const allowOther: Init = withMatch({ namespaces: [exact("other")] });

test.each<[string, Init[], string[], unknown]>([
  ["no policies", [], [], { kind: "allowed", policy: undefined, dryRunDenial: undefined }],
  [
    "DENY before ALLOW",
    [
      { name: "allow", ...everything },
      { name: "deny", action: Action.DENY, ...everything },
    ],
    ["shop/allow", "shop/deny"],
    { kind: "denied", reason: "explicit", policies: ["shop/deny"] },
  ],
  [
    "a DENY that does not match and no ALLOW",
    [{ name: "deny", action: Action.DENY, ...allowOther }],
    ["shop/deny"],
    { kind: "allowed", policy: undefined, dryRunDenial: undefined },
  ],
  [
    "an ALLOW that does not match",
    [{ name: "allow", ...allowOther }],
    ["shop/allow"],
    { kind: "denied", reason: "none-allows", policies: ["shop/allow"] },
  ],
  [
    "a key that is not held",
    [{ name: "allow", ...everything }],
    ["shop/allow", "shop/later"],
    { kind: "denied", reason: "unknown-policy", policies: ["shop/later"] },
  ],
  [
    "a dry-run DENY leaves a note",
    [{ name: "dry", action: Action.DENY, dryRun: true, ...everything }],
    ["shop/dry"],
    { kind: "allowed", policy: undefined, dryRunDenial: "shop/dry" },
  ],
  [
    "a dry-run ALLOW does not count as an ALLOW",
    [{ name: "dry", dryRun: true, ...allowOther }],
    ["shop/dry"],
    { kind: "allowed", policy: undefined, dryRunDenial: "shop/dry" },
  ],
])("decideAccess() with %s", (_name, inits, keys, want) => {
  const set = withPolicies(noPolicies, inits.map(policy), []);
  expect(decideAccess(resolvePolicies(set, keys), facts) as unknown).toEqual(want);
});

test("readPolicy() refuses what it does not understand", () => {
  const broken: Init[] = [
    { name: "" },
    withMatch({ namespaces: [{}] }),
    withMatch({ sourceIps: [{ address: new Uint8Array(5), length: 8 }] }),
    withMatch({ sourceIps: [{ address: new Uint8Array(4), length: 33 }] }),
  ];
  const messages = broken.map((init) =>
    create(AuthorizationSchema, { name: "p", namespace: "shop", ...init }),
  );
  // Numbers of a later version: proto3 enums are open on the wire.
  for (const later of [{ action: 7 }, { scope: 9 }]) {
    messages.push(Object.assign(create(AuthorizationSchema, { name: "p", namespace: "shop" }), later));
  }
  for (const message of messages) expect(readPolicy(message).ok).toBe(false);
});

test("applicableKeys() adds the namespace's and the global policies, and follows changes", () => {
  let set = withPolicies(
    noPolicies,
    [
      of("all", "istio-system", Scope.GLOBAL),
      of("ns", "shop", Scope.NAMESPACE),
      of("ns", "other", Scope.NAMESPACE),
      of("selected", "shop", Scope.WORKLOAD_SELECTOR),
    ],
    [],
  );
  expect(applicableKeys(set, "shop", ["shop/selected", "shop/ns"])).toEqual([
    "shop/ns",
    "istio-system/all",
    "shop/selected",
  ]);
  set = withPolicies(set, [of("ns", "shop", Scope.WORKLOAD_SELECTOR)], ["istio-system/all"]);
  expect(applicableKeys(set, "shop", [])).toEqual([]);
  expect(set.byKey.has("shop/ns")).toBe(true);
});

test("denialText() names the policies in Istio's words", () => {
  expect(denialText({ kind: "denied", reason: "explicit", policies: ["shop/deny"] })).toBe(
    "explicitly denied by: shop/deny",
  );
  expect(denialText({ kind: "denied", reason: "none-allows", policies: ["a/b", "c/d"] })).toBe(
    "allow policies exist, but none allowed: a/b, c/d",
  );
});

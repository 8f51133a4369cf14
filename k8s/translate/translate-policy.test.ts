import { expect, test } from "bun:test";
import { create, type MessageInitShape, toJson } from "@bufbuild/protobuf";
import { type IpAddress, ipBytes } from "#core/address/ip.ts";
import { Action, AuthorizationSchema, type MatchSchema, Scope } from "#core/proto/istio/authorization_pb.js";
import type { AuthorizationPolicyObject, PolicyRule } from "../model/authorization-policy.ts";
import { policyObject, settings } from "../../tests/support/kube-objects.ts";
import { translatePolicy } from "./translate-policy.ts";

type MatchInit = MessageInitShape<typeof MatchSchema>;

const exact = (value: string) => ({ matchType: { case: "exact" as const, value } });
const prefix = (value: string) => ({ matchType: { case: "prefix" as const, value } });
const suffix = (value: string) => ({ matchType: { case: "suffix" as const, value } });
const presence = { matchType: { case: "presence" as const, value: {} } };
const range = (text: string, length: number) => ({ address: ipBytes(text as IpAddress), length });

function groupsOf(action: "ALLOW" | "DENY", rule: PolicyRule) {
  const { message, problems } = translatePolicy(policyObject("p", { action, rules: [rule] }), settings);
  return { groups: message === undefined ? undefined : toJson(AuthorizationSchema, message), problems };
}

/** The whole message that one group of these clauses makes; undefined: the rule is dropped. */
function wanted(action: Action, clauses: readonly (readonly MatchInit[])[] | undefined) {
  const rules = clauses?.map((matches) => ({ matches: [...matches] }));
  const groups = rules === undefined ? [] : [{ rules }];
  const message = create(AuthorizationSchema, {
    name: "p",
    namespace: "shop",
    scope: Scope.NAMESPACE,
    action,
    groups,
  });
  return toJson(AuthorizationSchema, message);
}

test.each<[string, PolicyRule, readonly (readonly MatchInit[])[]]>([
  ["an empty rule matches everything", {}, []],
  [
    "from: sources are alternatives, attributes of one hold together",
    {
      from: [
        { source: { namespaces: ["a", "b-*"] } },
        { source: { principals: ["*"], notNamespaces: ["*-c"] } },
      ],
    },
    [[{ namespaces: [exact("a"), prefix("b-")] }, { principals: [presence], notNamespaces: [suffix("-c")] }]],
  ],
  [
    "from and to hold together",
    {
      from: [{ source: { notPrincipals: ["cluster.local/ns/x/sa/y"] } }],
      to: [{ operation: { ports: ["80", "8080"] } }],
    },
    [[{ destinationPorts: [80, 8080] }], [{ notPrincipals: [exact("mesh.example/ns/x/sa/y")] }]],
  ],
  [
    "ranges, and single addresses as ranges of one",
    { from: [{ source: { ipBlocks: ["10.0.0.0/8", "1.2.3.4"], notIpBlocks: ["2001:db8::/32"] } }] },
    [[{ sourceIps: [range("10.0.0.0", 8), range("1.2.3.4", 32)], notSourceIps: [range("2001:db8::", 32)] }]],
  ],
  [
    "service accounts of the policy's own or another namespace",
    { from: [{ source: { serviceAccounts: ["cart", "other/web"] } }] },
    [
      [
        {
          serviceAccounts: [
            { namespace: "shop", serviceAccount: "cart" },
            { namespace: "other", serviceAccount: "web" },
          ],
        },
      ],
    ],
  ],
  [
    "when: each condition is a clause of its own",
    {
      when: [
        { key: "source.ip", values: ["10.0.0.1"], notValues: ["10.0.0.2"] },
        { key: "destination.port", values: ["80"] },
        { key: "source.namespace", notValues: ["evil"] },
        { key: "source.principal", values: ["td/ns/a/sa/b"] },
        { key: "destination.ip", values: ["10.1.0.0/16"] },
      ],
    },
    [
      [{ sourceIps: [range("10.0.0.1", 32)], notSourceIps: [range("10.0.0.2", 32)] }],
      [{ destinationPorts: [80] }],
      [{ notNamespaces: [exact("evil")] }],
      [{ principals: [exact("td/ns/a/sa/b")] }],
      [{ destinationIps: [range("10.1.0.0", 16)] }],
    ],
  ],
])("%s", (_, rule, clauses) => {
  expect(groupsOf("ALLOW", rule)).toEqual({ groups: wanted(Action.ALLOW, clauses), problems: [] });
  expect(groupsOf("DENY", rule)).toEqual({ groups: wanted(Action.DENY, clauses), problems: [] });
});

test.each<[string, PolicyRule, readonly (readonly MatchInit[])[]]>([
  ["a method alone denies everybody", { to: [{ operation: { methods: ["GET"] } }] }, []],
  [
    "a path beside a port denies the port",
    { to: [{ operation: { paths: ["/x"], ports: ["80"] } }] },
    [[{ destinationPorts: [80] }]],
  ],
  [
    "one alternative that layer 4 cannot tell makes the clause always true",
    { to: [{ operation: { ports: ["80"] } }, { operation: { hosts: ["a"] } }] },
    [],
  ],
  [
    "a request principal beside a namespace denies the namespace",
    { from: [{ source: { requestPrincipals: ["*"], namespaces: ["a"] } }] },
    [[{ namespaces: [exact("a")] }]],
  ],
  [
    "a condition on a header is left out",
    { from: [{ source: { namespaces: ["a"] } }], when: [{ key: "request.headers[x]", values: ["1"] }] },
    [[{ namespaces: [exact("a")] }]],
  ],
  ["an address that is none is left out", { from: [{ source: { ipBlocks: ["10.0.0.0/33"] } }] }, []],
  ["a port that is none is left out", { to: [{ operation: { ports: ["80", "http"] } }] }, []],
])("what layer 4 cannot tell drops an ALLOW rule and strips a DENY: %s", (_, rule, denied) => {
  const allow = groupsOf("ALLOW", rule);
  const deny = groupsOf("DENY", rule);
  expect(allow.groups).toEqual(wanted(Action.ALLOW, undefined));
  expect(deny.groups).toEqual(wanted(Action.DENY, denied));
  expect([allow.problems.length, deny.problems.length]).toEqual([2, 1]);
});

test.each<[string, AuthorizationPolicyObject, object]>([
  [
    "without rules it allows nobody",
    policyObject("p", {}),
    { scope: Scope.NAMESPACE, action: Action.ALLOW, groups: [] },
  ],
  [
    "with a selector it is a workload's",
    policyObject("p", { selector: { matchLabels: { app: "web" } } }),
    { scope: Scope.WORKLOAD_SELECTOR },
  ],
  [
    "an empty selector is none",
    policyObject("p", { selector: { matchLabels: {} } }),
    { scope: Scope.NAMESPACE },
  ],
  [
    "in the root namespace it is everybody's",
    policyObject("p", {}, "lambient-system"),
    { scope: Scope.GLOBAL },
  ],
  [
    "with a selector not even there",
    policyObject("p", { selector: { matchLabels: { app: "web" } } }, "lambient-system"),
    { scope: Scope.WORKLOAD_SELECTOR },
  ],
  [
    "with a target it reaches only who names it",
    policyObject("p", { targetRefs: [{ kind: "Service", name: "web" }] }),
    { scope: Scope.WORKLOAD_SELECTOR },
  ],
])("scope: %s", (_, policy, message) => {
  expect(translatePolicy(policy, settings).message).toMatchObject(message);
});

test("dry run is carried, AUDIT and CUSTOM are not enforced", () => {
  const dry = policyObject("p", {});
  const annotated = { ...dry, metadata: { ...dry.metadata, annotations: { "istio.io/dry-run": "true" } } };
  expect(translatePolicy(annotated, settings).message?.dryRun).toBe(true);
  for (const action of ["AUDIT", "CUSTOM"] as const) {
    expect(translatePolicy(policyObject("p", { action }), settings)).toEqual({
      key: "shop/p",
      message: undefined,
      problems: [`action ${action} is not supported: it is not enforced`],
    });
  }
});

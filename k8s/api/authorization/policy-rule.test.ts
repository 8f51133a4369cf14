/** What rules allow, what they cover, and how what they lack is told. */
import { expect, test } from "bun:test";
import type { Attempt } from "./attempt.ts";
import { parseRules, ruleAllows, rulesText, uncoveredRules } from "./policy-rule.ts";

const resource = {
  kind: "resource",
  verb: "get",
  group: "",
  resource: "pods",
  subresource: "",
  namespace: "n",
  name: "a",
} as const;
const path = { kind: "path", verb: "get", path: "/apis/apps" } as const;
const pods = { verbs: ["get"], apiGroups: [""], resources: ["pods"] };

test.each<[string, object, Attempt, boolean]>([
  ["its resource", pods, resource, true],
  ["another verb", pods, { ...resource, verb: "list" }, false],
  ["any verb", { ...pods, verbs: ["*"] }, { ...resource, verb: "escalate" }, true],
  ["another group", pods, { ...resource, group: "apps" }, false],
  ["any group", { ...pods, apiGroups: ["*"] }, { ...resource, group: "apps" }, true],
  ["its subresource is not the resource", pods, { ...resource, subresource: "log" }, false],
  ["a subresource", { ...pods, resources: ["pods/log"] }, { ...resource, subresource: "log" }, true],
  [
    "every resource's subresource",
    { ...pods, resources: ["*/log"] },
    { ...resource, subresource: "log" },
    true,
  ],
  [
    "all subresources are no pattern",
    { ...pods, resources: ["pods/*"] },
    { ...resource, subresource: "log" },
    false,
  ],
  ["any resource", { ...pods, resources: ["*"] }, { ...resource, subresource: "log" }, true],
  ["a name", { ...pods, resourceNames: ["a"] }, resource, true],
  ["another name", { ...pods, resourceNames: ["b"] }, resource, false],
  ["a name of none", { ...pods, resourceNames: ["a"] }, { ...resource, name: "" }, false],
  ["a path is no resource", pods, path, false],
  ["a path", { verbs: ["get"], nonResourceURLs: ["/apis/apps"] }, path, true],
  ["paths below", { verbs: ["get"], nonResourceURLs: ["/apis/*"] }, path, true],
  ["paths elsewhere", { verbs: ["get"], nonResourceURLs: ["/api/*"] }, path, false],
  ["nothing", {}, resource, false],
])("a rule allows %s", (_, rule, attempt, want) => {
  expect(parseRules([rule]).some((one) => ruleAllows(one, attempt))).toBe(want);
});

test.each<[string, readonly object[], readonly object[], string]>([
  ["the same", [pods], [pods], ""],
  ["less", [{ verbs: ["*"], apiGroups: ["*"], resources: ["*"] }], [pods], ""],
  ["two together", [pods, { ...pods, verbs: ["list"] }], [{ ...pods, verbs: ["get", "list"] }], ""],
  ["names of all", [pods], [{ ...pods, resourceNames: ["a"] }], ""],
  [
    "all of names",
    [{ ...pods, resourceNames: ["a"] }],
    [pods],
    '{APIGroups:[""], Resources:["pods"], Verbs:["get"]}',
  ],
  [
    "another name",
    [{ ...pods, resourceNames: ["a"] }],
    [{ ...pods, resourceNames: ["a", "b"] }],
    '{APIGroups:[""], Resources:["pods"], ResourceNames:["b"], Verbs:["get"]}',
  ],
  ["a subresource", [{ ...pods, resources: ["*/log"] }], [{ ...pods, resources: ["pods/log"] }], ""],
  [
    "more verbs",
    [pods],
    [{ verbs: ["get", "list", "delete"], apiGroups: ["", "apps"], resources: ["pods"] }],
    '{APIGroups:[""], Resources:["pods"], Verbs:["list" "delete"]}\n{APIGroups:["apps"], Resources:["pods"], Verbs:["get" "list" "delete"]}',
  ],
  [
    "paths",
    [{ verbs: ["get"], nonResourceURLs: ["/a*"] }],
    [{ verbs: ["get", "post"], nonResourceURLs: ["/a/b", "/c"] }],
    '{NonResourceURLs:["/a/b"], Verbs:["post"]}\n{NonResourceURLs:["/c"], Verbs:["get"]}\n{NonResourceURLs:["/c"], Verbs:["post"]}',
  ],
])("rules cover %s", (_, held, wanted, missing) => {
  expect(rulesText(uncoveredRules(parseRules(held), parseRules(wanted)))).toBe(missing);
});

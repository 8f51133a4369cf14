/** Which requests a webhook's rules match, and which answers are none. */
import { afterAll, expect, test } from "bun:test";
import { readVerdict } from "./admission-review.ts";
import { type AdmissionFacts, matchWebhook } from "./match-webhook.ts";
import { webhooksOf } from "./webhook.ts";
import { ObjectStore } from "../object-store.ts";
import { builtinKinds } from "../kinds/builtin-kinds.ts";
import { clusterAddresses } from "../kinds/cluster-address.ts";
import { readKubeSchemas } from "../kinds/kube-schemas.ts";
import type { WorkingObject } from "../working-object.ts";

const store = new ObjectStore(":memory:", () => {});
afterAll(() => {
  store.close();
});
const addresses = clusterAddresses("10.96.0.0/16", [], Math.random);
const kinds = builtinKinds({ schemas: readKubeSchemas(), addresses, keptNamespaces: [] });

function objectOf(name: string, labels: Record<string, string> = {}): WorkingObject {
  const metadata = { name, uid: "u", resourceVersion: "1", creationTimestamp: "", labels };
  return { apiVersion: "v1", kind: "X", metadata };
}

function facts(what: string, more: Partial<AdmissionFacts> = {}): AdmissionFacts {
  const [resource = "", subresource = ""] = what.split("/");
  const kind = kinds.find((one) => one.resource === resource);
  if (kind === undefined) throw new Error(resource);
  const target = { kind, version: "v1", namespace: kind.namespaced ? "n" : "" };
  return { operation: "CREATE", target, subresource, object: objectOf("a"), oldObject: undefined, ...more };
}

const rule = { operations: ["*"], apiGroups: ["*"], apiVersions: ["*"], resources: ["*"] };
test.each<[string, object, AdmissionFacts, boolean]>([
  ["everything", {}, facts("pods"), true],
  ["no subresource of everything", {}, facts("pods/status"), false],
  ["every subresource", { rules: [{ ...rule, resources: ["*/*"] }] }, facts("pods/status"), true],
  ["a kind's subresources", { rules: [{ ...rule, resources: ["pods/*"] }] }, facts("pods/status"), true],
  ["one subresource of all", { rules: [{ ...rule, resources: ["*/status"] }] }, facts("pods/status"), true],
  ["another kind", { rules: [{ ...rule, resources: ["nodes"] }] }, facts("pods"), false],
  ["another operation", { rules: [{ ...rule, operations: ["DELETE"] }] }, facts("pods"), false],
  ["another group", { rules: [{ ...rule, apiGroups: ["apps"] }] }, facts("pods"), false],
  ["another version", { rules: [{ ...rule, apiVersions: ["v2"] }] }, facts("pods"), false],
  ["the cluster's", { rules: [{ ...rule, scope: "Cluster" }] }, facts("pods"), false],
  ["the namespaces'", { rules: [{ ...rule, scope: "Namespaced" }] }, facts("nodes"), false],
  ["no configuration of webhooks", {}, facts("validatingwebhookconfigurations"), false],
  [
    "an object with labels",
    { objectSelector: { matchLabels: { a: "b" } } },
    facts("pods", { object: objectOf("a", { a: "b" }) }),
    true,
  ],
  [
    "an object that had labels",
    { objectSelector: { matchLabels: { a: "b" } } },
    facts("pods", { oldObject: objectOf("a", { a: "b" }) }),
    true,
  ],
  [
    "an object without labels",
    { objectSelector: { matchExpressions: [{ key: "a", operator: "Exists" }] } },
    facts("pods"),
    false,
  ],
  [
    "a namespace without labels",
    { namespaceSelector: { matchExpressions: [{ key: "a", operator: "In", values: ["b"] }] } },
    facts("pods"),
    false,
  ],
  [
    "a namespace that is not excluded",
    { namespaceSelector: { matchExpressions: [{ key: "a", operator: "NotIn", values: ["b"] }] } },
    facts("pods"),
    true,
  ],
  [
    "a Namespace by its own labels",
    { namespaceSelector: { matchLabels: { a: "b" } } },
    facts("namespaces", { object: objectOf("a", { a: "b" }) }),
    true,
  ],
  ["what is in no namespace", { namespaceSelector: { matchLabels: { a: "b" } } }, facts("nodes"), true],
])("a webhook for %s", (...[, more, given, want]) => {
  const [webhook] = webhooksOf({ ...objectOf("c"), webhooks: [{ name: "w", rules: [rule], ...more }] });
  if (webhook === undefined) throw new Error("none");
  expect(matchWebhook(store, webhook, given) !== undefined).toBe(want);
});

const good = { apiVersion: "admission.k8s.io/v1", kind: "AdmissionReview" };
test.each<[unknown, string]>([
  [
    undefined,
    "received invalid webhook response: expected webhook response of admission.k8s.io/v1, Kind=AdmissionReview, got , Kind=",
  ],
  [
    [],
    "received invalid webhook response: expected webhook response of admission.k8s.io/v1, Kind=AdmissionReview, got , Kind=",
  ],
  [
    { ...good, kind: "X" },
    "received invalid webhook response: expected webhook response of admission.k8s.io/v1, Kind=AdmissionReview, got admission.k8s.io/v1, Kind=X",
  ],
  [good, "received invalid webhook response: webhook response was absent"],
  [{ ...good, response: { uid: 5 } }, 'received invalid webhook response: expected response.uid="1", got ""'],
  [
    { ...good, response: { uid: "1", patch: "e30=" } },
    "received invalid webhook response: webhook returned response.patch but not response.patchType",
  ],
  [{ ...good, response: { uid: "1", patch: "e30=", patchType: "Foo" } }, 'unsupported patch type "Foo"'],
])("the answer %j is none", (answer, want) => {
  const verdict = readVerdict(answer, "1", true);
  expect(verdict.ok ? "taken" : verdict.error).toBe(want);
});

test("a patch that is no JSON is told", () => {
  const response = { uid: "1", patch: btoa("{"), patchType: "JSONPatch" };
  const verdict = readVerdict({ ...good, response }, "1", true);
  expect(verdict.ok ? "taken" : verdict.error).toStartWith(
    "received undecodable patch in webhook response: ",
  );
});

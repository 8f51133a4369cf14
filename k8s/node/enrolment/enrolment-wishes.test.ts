import { afterEach, expect, test } from "bun:test";
import { silentLog } from "#host/log.ts";
import type { KubeObject } from "#host/kube/object.ts";
import { authorizationPolicyResource } from "../../model/authorization-policy.ts";
import { namespaceResource } from "../../model/core-objects.ts";
import { peerAuthenticationResource } from "../../model/peer-authentication.ts";
import { podResource } from "../../model/pod.ts";
import { type FakeKube, makeFakeKube } from "../../../tests/support/fake-kube.ts";
import { EnrolmentWishes } from "./enrolment-wishes.ts";

const closers: (() => void)[] = [];
afterEach(() => closers.splice(0).forEach((close) => close()));

function open(kube: FakeKube = makeFakeKube()) {
  const changed: string[] = [];
  const wishes = new EnrolmentWishes({
    api: kube,
    log: silentLog,
    node: "node-0",
    settings: { excludedNamespaces: new Set() },
    rootNamespace: "lambient-system",
    onChange: ({ metadata }) => void changed.push(metadata.name),
  });
  closers.push(() => wishes.close());
  return { kube, wishes, changed };
}

function object(kind: string, metadata: object, rest: object = {}): KubeObject {
  const common = { uid: "", resourceVersion: "", creationTimestamp: "" };
  // Sound: a whole object as far as it is read here.
  return { apiVersion: "v1", kind, metadata: { ...common, ...metadata }, ...rest } as KubeObject;
}

function namespace(labels: object = {}): KubeObject {
  return object("Namespace", { name: "shop", uid: "ns", labels });
}

function pod(nodeName: string, labels: object = {}): KubeObject {
  return object(
    "Pod",
    { namespace: "shop", name: "web", uid: "web-uid", labels },
    { spec: { nodeName, containers: [] } },
  );
}

const ambient = { "istio.io/dataplane-mode": "ambient" };

test("a Pod is in once its namespace is labelled, and whoever is concerned is told", () => {
  const { kube, wishes, changed } = open();
  kube.put(namespaceResource, namespace());
  kube.put(podResource, pod("node-0"));
  wishes.follow();
  expect(wishes.decisionFor("web-uid")).toEqual({ kind: "out", reason: "not-labelled" });
  changed.length = 0;
  kube.put(namespaceResource, namespace(ambient));
  expect(changed).toEqual(["web"]);
  expect(wishes.decisionFor("web-uid")?.kind).toBe("in");
  kube.remove(namespaceResource, { name: "shop" });
  expect(wishes.decisionFor("web-uid")?.kind).toBe("out");
  kube.remove(podResource, { namespace: "shop", name: "web" });
  expect([wishes.decisionFor("web-uid"), wishes.find("web-uid")]).toEqual([undefined, undefined]);
});

test("nothing is decided of Pods elsewhere, nor of any before all has been told", () => {
  const { kube, wishes } = open();
  kube.put(podResource, pod("node-1", ambient));
  wishes.follow();
  expect(wishes.decisionFor("web-uid")).toBeUndefined();
  const watch = kube.watch.bind(kube);
  const late = open({
    ...kube,
    watch: (type, options) =>
      watch(type, type.resource === "namespaces" ? { ...options, onSync: () => undefined } : options),
  });
  kube.put(podResource, pod("node-0", ambient));
  late.wishes.follow();
  expect(late.wishes.waitsFor).toEqual(["namespaces"]);
  expect(late.wishes.decisionFor("web-uid")).toBeUndefined();
});

test("refresh() finds a label that the watch has not told of yet", async () => {
  const { kube, wishes } = open();
  kube.put(namespaceResource, namespace());
  kube.put(podResource, pod("node-0"));
  wishes.follow();
  wishes.close(); // nothing more is told
  kube.put(namespaceResource, namespace(ambient));
  expect(wishes.decisionFor("web-uid")?.kind).toBe("out");
  await wishes.refresh("web-uid");
  await wishes.refresh("web-uid");
  await wishes.refresh("nobody");
  expect(wishes.decisionFor("web-uid")?.kind).toBe("in");
});

test("a Pod's policy keys are those of its namespace, of the mesh and of PeerAuthentications", () => {
  const { kube, wishes } = open();
  kube.put(podResource, pod("node-0", { app: "web" }));
  wishes.follow();
  const deny = { spec: { action: "DENY", rules: [{}] } };
  kube.put(
    authorizationPolicyResource,
    object("AuthorizationPolicy", { namespace: "shop", name: "own", uid: "p1" }, deny),
  );
  kube.put(
    authorizationPolicyResource,
    object("AuthorizationPolicy", { namespace: "lambient-system", name: "all", uid: "p2" }, deny),
  );
  kube.put(
    authorizationPolicyResource,
    object("AuthorizationPolicy", { namespace: "other", name: "not", uid: "p3" }, deny),
  );
  kube.put(
    peerAuthenticationResource,
    object(
      "PeerAuthentication",
      { namespace: "shop", name: "strict", uid: "a1" },
      { spec: { mtls: { mode: "STRICT" } } },
    ),
  );
  const strict = "lambient-system/istio_converted_static_strict";
  expect(wishes.policyKeysFor("web-uid")).toEqual(["lambient-system/all", strict, "shop/own"]);
  kube.remove(authorizationPolicyResource, { namespace: "shop", name: "own" });
  kube.remove(peerAuthenticationResource, { namespace: "shop", name: "strict" });
  expect(wishes.policyKeysFor("web-uid")).toEqual(["lambient-system/all"]);
  expect(wishes.policyKeysFor("nobody")).toEqual([]);
});

/** Who may do what by the built-in table; what it does not grant is refused. */
import { expect, test } from "bun:test";
import type { ResourceAttempt } from "./attempt.ts";
import { Authorizer } from "./authorizer.ts";
import { nodeRuntimeUser, nodeUser } from "./program-grants.ts";

const authorizer = new Authorizer({
  isSecretNamed: (namespace, secret) => namespace === "shop" && secret === "key",
  isPodBound: (namespace, pod) => namespace === "shop" && pod === "bound",
  isNamedByPod: (namespace, resource, name) =>
    namespace === "shop" && `${resource}/${name}` !== "secrets/key",
});
const admin = { name: "system:lambient:admin", groups: ["system:masters"] };
const runtime = { name: nodeRuntimeUser, groups: ["system:authenticated"] };
const node = { name: nodeUser, groups: ["system:nodes", "system:authenticated"] };
const ztunnel = { name: "system:lambient:ztunnel", groups: ["system:authenticated"] };

function attempt(text: string): ResourceAttempt {
  const [verb = "", resource = "", namespace = "", name = "", subresource = ""] = text.split(" ");
  const [plural = "", ...group] = resource.split(".");
  return { kind: "resource", verb, group: group.join("."), resource: plural, namespace, name, subresource };
}

test.each([
  ["list secrets", [true, false, false, false]],
  ["delete namespaces default default", [true, false, false, false]],
  ["list revisions.lambient.dev", [true, true, false, false]],
  ["watch functions.lambient.dev", [true, true, false, false]],
  ["get gateways.gateway.networking.k8s.io shop waypoint", [true, true, false, false]],
  ["create revisions.lambient.dev shop", [true, false, false, false]],
  ["patch revisions.lambient.dev shop web-v1", [true, false, false, false]],
  ["patch revisions.lambient.dev shop web-v1 status", [true, true, false, false]],
  ["patch functions.lambient.dev shop web status", [true, false, false, false]],
  ["get revisions.other.dev shop web", [true, false, false, false]],
  ["get secrets shop key", [true, true, false, false]],
  ["watch secrets shop key", [true, true, false, false]],
  ["get secrets shop other", [true, false, true, false]],
  ["list secrets shop", [true, false, false, false]],
  ["get secrets elsewhere key", [true, false, false, false]],
  ["patch secrets shop other", [true, false, false, false]],
  ["get configmaps shop x", [true, false, true, false]],
  ["list configmaps", [true, false, false, false]],
  ["update configmaps shop x", [true, false, false, false]],
  ["watch pods", [true, false, true, false]],
  ["create pods shop", [true, false, false, false]],
  ["patch pods shop bound", [true, false, false, false]],
  ["patch pods shop bound status", [true, false, true, false]],
  ["patch pods shop unbound status", [true, false, false, false]],
  ["delete pods shop bound", [true, false, true, false]],
  ["delete pods shop unbound", [true, false, false, false]],
  ["deletecollection pods shop", [true, false, false, false]],
  ["create pods shop bound exec", [true, false, false, false]],
  ["create events shop", [true, false, true, false]],
  ["delete events shop e", [true, false, false, false]],
  ["create nodes", [true, false, true, false]],
  ["delete nodes  node-0", [true, false, false, false]],
  ["patch nodes  node-0 status", [true, false, true, false]],
  ["update leases.coordination.k8s.io kube-node-lease node-0", [true, false, true, false]],
  ["update leases.coordination.k8s.io shop node-0", [true, false, false, false]],
  ["create serviceaccounts shop web token", [true, false, true, false]],
  ["get serviceaccounts shop web", [true, false, false, false]],
  ["watch endpointslices.discovery.k8s.io", [true, false, true, false]],
  ["create tokenreviews.authentication.k8s.io", [true, false, false, false]],
] as const)("%s: admin, node runtime, node, ztunnel: %p", (text, want) => {
  const users = [admin, runtime, node, ztunnel];
  expect(users.map((user) => authorizer.may(user, attempt(text)))).toEqual([...want]);
});

test("discovery is for those programs that may do anything at all", () => {
  const path = { kind: "path", verb: "get", path: "/apis/apps/v1" } as const;
  expect([admin, runtime, node, ztunnel].map((user) => authorizer.may(user, path))).toEqual([
    true,
    true,
    true,
    false,
  ]);
  expect(authorizer.may(node, { kind: "path", verb: "get", path: "/metrics" })).toBeFalse();
});

/** Who may do what; what the table does not grant is refused. */
import { expect, test } from "bun:test";
import { type Attempt, authorize, mayDiscover, nodeRuntimeUser } from "./authorize.ts";

const facts = {
  isSecretNamed: (namespace: string, secret: string) => namespace === "shop" && secret === "key",
};
const admin = { name: "admin", groups: ["system:masters"] };
const node = { name: nodeRuntimeUser, groups: [] };
const ztunnel = { name: "system:lambient:ztunnel", groups: ["system:authenticated"] };

function attempt(text: string): Attempt {
  const [verb = "", resource = "", namespace = "", name = "", subresource = ""] = text.split(" ");
  const [plural = "", ...group] = resource.split(".");
  // Sound: the rows below write verbs.
  return {
    verb: verb as Attempt["verb"],
    group: group.join("."),
    resource: plural,
    namespace,
    name,
    subresource,
  };
}

test.each([
  ["list secrets", [true, false, false]],
  ["delete namespaces  default", [true, false, false]],
  ["list revisions.lambient.dev", [true, true, false]],
  ["watch functions.lambient.dev", [true, true, false]],
  ["get gateways.gateway.networking.k8s.io shop waypoint", [true, true, false]],
  ["create revisions.lambient.dev shop", [true, false, false]],
  ["patch revisions.lambient.dev shop web-v1", [true, false, false]],
  ["patch revisions.lambient.dev shop web-v1 status", [true, true, false]],
  ["patch functions.lambient.dev shop web status", [true, false, false]],
  ["get revisions.other.dev shop web", [true, false, false]],
  ["get secrets shop key", [true, true, false]],
  ["watch secrets shop key", [true, true, false]],
  ["get secrets shop other", [true, false, false]],
  ["list secrets shop", [true, false, false]],
  ["get secrets elsewhere key", [true, false, false]],
  ["patch secrets shop key", [true, false, false]],
  ["get configmaps shop x", [true, false, false]],
] as const)("%s: admin, node runtime, ztunnel: %p", (text, want) => {
  expect([admin, node, ztunnel].map((user) => authorize(user, attempt(text), facts))).toEqual([...want]);
});

test("discovery is for those who may do anything at all", () => {
  expect([admin, node, ztunnel].map(mayDiscover)).toEqual([true, true, false]);
});

import { expect, test } from "bun:test";
import { madeAt } from "../../../tests/support/kube-objects.ts";
import { podObject } from "../../../tests/support/workload-objects.ts";
import type { NodeObject } from "../../model/node.ts";
import type { NodeRequirement, PodSpec } from "../../model/pod.ts";
import { decideNode } from "./decide-node.ts";

interface NodeTraits {
  readonly labels?: Readonly<Record<string, string>>;
  readonly spec?: NonNullable<NodeObject["spec"]>;
  readonly isReady?: boolean;
}

function node(name: string, { labels = {}, spec = {}, isReady = true }: NodeTraits = {}): NodeObject {
  const metadata = { name, uid: name, resourceVersion: "1", creationTimestamp: madeAt, labels };
  const conditions = [{ type: "Ready", status: isReady ? "True" : "Unknown" } as const];
  return { apiVersion: "v1", kind: "Node", metadata, spec, status: { conditions } };
}

function decide(
  spec: Partial<PodSpec>,
  nodes: readonly NodeObject[],
  load: Readonly<Record<string, number>> = {},
): string {
  const verdict = decideNode(podObject("p", { node: "", spec }), nodes, new Map(Object.entries(load)));
  return verdict.kind === "node" ? verdict.name : verdict.message;
}

const tainted = node("a", { spec: { taints: [{ key: "only", value: "x", effect: "NoSchedule" }] } });
const preferred = node("a", { spec: { taints: [{ key: "only", effect: "PreferNoSchedule" }] } });
const cordoned = node("a", { spec: { unschedulable: true } });
const wishes = (...matchExpressions: readonly NodeRequirement[]): Partial<PodSpec> => ({
  affinity: {
    nodeAffinity: {
      requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [{ matchExpressions }] },
    },
  },
});
const labeled = node("a", { labels: { disk: "ssd", cores: "8" } });
const noMatch = "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector.";

test.each<[string, Partial<PodSpec>, readonly NodeObject[], string]>([
  ["no node", {}, [], "no nodes available to schedule pods"],
  ["any node", {}, [node("a")], "a"],
  [
    "a node that is not ready",
    {},
    [node("a", { isReady: false })],
    "0/1 nodes are available: 1 node(s) were not ready.",
  ],
  ["a selector that fits", { nodeSelector: { disk: "ssd" } }, [node("b"), labeled], "a"],
  ["a selector that fits nowhere", { nodeSelector: { disk: "hdd" } }, [labeled], noMatch],
  ["a taint", {}, [tainted], "0/1 nodes are available: 1 node(s) had untolerated taint(s) {only: x}."],
  ["a taint that is borne", { tolerations: [{ key: "only", value: "x" }] }, [tainted], "a"],
  [
    "a taint borne by its key",
    { tolerations: [{ key: "only", operator: "Exists", effect: "NoSchedule" }] },
    [tainted],
    "a",
  ],
  ["all taints borne", { tolerations: [{ operator: "Exists" }] }, [tainted], "a"],
  [
    "another value borne",
    { tolerations: [{ key: "only", value: "y" }] },
    [tainted],
    "0/1 nodes are available: 1 node(s) had untolerated taint(s) {only: x}.",
  ],
  [
    "another effect borne",
    { tolerations: [{ key: "only", operator: "Exists", effect: "NoExecute" }] },
    [tainted],
    "0/1 nodes are available: 1 node(s) had untolerated taint(s) {only: x}.",
  ],
  ["a taint that only asks", {}, [preferred], "a"],
  ["a cordoned node", {}, [cordoned], "0/1 nodes are available: 1 node(s) were unschedulable."],
  [
    "a cordoned node, borne",
    { tolerations: [{ key: "node.kubernetes.io/unschedulable", operator: "Exists" }] },
    [cordoned],
    "a",
  ],
  [
    "several reasons",
    {},
    [cordoned, tainted, tainted],
    "0/3 nodes are available: 1 node(s) were unschedulable, 2 node(s) had untolerated taint(s) {only: x}.",
  ],
  ["a value among others", wishes({ key: "disk", operator: "In", values: ["ssd", "nvme"] }), [labeled], "a"],
  [
    "a value not among others",
    wishes({ key: "disk", operator: "NotIn", values: ["ssd"] }),
    [labeled],
    noMatch,
  ],
  [
    "an absent label is not among others",
    wishes({ key: "gpu", operator: "NotIn", values: ["a"] }),
    [labeled],
    "a",
  ],
  ["a label that is there", wishes({ key: "disk", operator: "Exists" }), [labeled], "a"],
  ["a label that is not there", wishes({ key: "disk", operator: "DoesNotExist" }), [labeled], noMatch],
  ["more than", wishes({ key: "cores", operator: "Gt", values: ["4"] }), [labeled], "a"],
  ["less than", wishes({ key: "cores", operator: "Lt", values: ["4"] }), [labeled], noMatch],
  ["a term that asks nothing", wishes(), [labeled], noMatch],
])("%s", (_case, spec, nodes, want) => {
  expect(decide(spec, nodes)).toBe(want);
});

test("the node with the fewest Pods is taken", () => {
  expect(decide({}, [node("a"), node("b"), node("c")], { a: 2, b: 1, c: 3 })).toBe("b");
});

import { expect, test } from "bun:test";
import { madeAt, meta } from "../../../tests/support/kube-objects.ts";
import {
  nowMs,
  ownedBy,
  podObject,
  type PodTraits,
  templateOf,
} from "../../../tests/support/workload-objects.ts";
import type { NodeObject, Taint } from "../../model/node.ts";
import type { PodObject } from "../../model/pod.ts";
import type { ControllerRevisionObject, DaemonSetObject } from "../../model/workload.ts";
import type { WorkloadAction } from "../workloads/workload-action.ts";
import { reconcileDaemonSet } from "./reconcile-daemon-set.ts";

const labels = { app: "ds" };

function setOf(more: Partial<DaemonSetObject["spec"]> = {}): DaemonSetObject {
  return {
    apiVersion: "apps/v1",
    kind: "DaemonSet",
    metadata: meta("shop", "ds"),
    spec: { selector: { matchLabels: labels }, template: templateOf(labels, "x:2"), ...more },
  };
}

function node(
  name: string,
  taints: readonly Taint[] = [],
  nodeLabels: Readonly<Record<string, string>> = {},
): NodeObject {
  const metadata = { name, uid: name, resourceVersion: "1", creationTimestamp: madeAt, labels: nodeLabels };
  return { apiVersion: "v1", kind: "Node", metadata, spec: { taints } };
}

function revision(number: number): ControllerRevisionObject {
  const template = { ...templateOf(labels, `x:${number}`), $patch: "replace" };
  return {
    apiVersion: "apps/v1",
    kind: "ControllerRevision",
    metadata: meta("shop", `ds-${number}`, { labels, ownerReferences: [ownedBy("DaemonSet", "ds")] }),
    data: { spec: { template } },
    revision: number,
  };
}

const revisions = [revision(1), revision(2)];

function daemon(name: string, on: string, of: 1 | 2 = 2, traits: PodTraits = {}): PodObject {
  return podObject(name, {
    owner: { kind: "DaemonSet", name: "ds" },
    node: on,
    labels: { ...labels, "controller-revision-hash": String(of) },
    ...traits,
  });
}

function decide(set: DaemonSetObject, nodes: readonly NodeObject[], pods: readonly PodObject[]) {
  return reconcileDaemonSet({ set, nodes, pods, revisions, nowMs }).actions;
}

function say(action: WorkloadAction): string {
  if (action.kind === "create") return "create";
  return action.kind === "event" ? action.event.reason : `${action.kind} ${action.key.name}`;
}

const [a, b, c] = [node("a"), node("b"), node("c")];
const forbidden: Taint = { key: "only", value: "x", effect: "NoSchedule" };
const expelling: Taint = { key: "only", value: "x", effect: "NoExecute" };
const unavailable = (count: number | string) =>
  ({
    updateStrategy: { type: "RollingUpdate", rollingUpdate: { maxUnavailable: count, maxSurge: 0 } },
  }) as const;
const surge = {
  updateStrategy: { type: "RollingUpdate", rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } },
} as const;
const unplaced: PodTraits = {
  node: "",
  spec: {
    affinity: {
      nodeAffinity: {
        requiredDuringSchedulingIgnoredDuringExecution: {
          nodeSelectorTerms: [{ matchFields: [{ key: "metadata.name", operator: "In", values: ["a"] }] }],
        },
      },
    },
  },
};

test.each<[string, DaemonSetObject, readonly NodeObject[], readonly PodObject[], readonly string[]]>([
  ["makes one a node", setOf(), [a, b], [], ["create", "create"]],
  ["knows the node that a Pod is for before it is there", setOf(), [a], [daemon("p", "", 2, unplaced)], []],
  [
    "a Pod for a node that is gone goes",
    setOf(),
    [b],
    [daemon("p", "", 2, unplaced), daemon("q", "b")],
    ["delete p"],
  ],
  ["leaves out nodes whose taints it does not bear", setOf(), [node("a", [forbidden])], [], []],
  [
    "leaves a Pod where new ones are only kept away",
    setOf(),
    [node("a", [forbidden])],
    [daemon("p", "a")],
    [],
  ],
  ["removes it where it may not stay", setOf(), [node("a", [expelling])], [daemon("p", "a")], ["delete p"]],
  ["waits for one that ends", setOf(), [a], [daemon("p", "a", 2, { isEnding: true })], []],
  [
    "removes doubles, the younger",
    setOf(),
    [a],
    [daemon("p", "a"), daemon("q", "a", 2, { madeAt: "2026-01-01T00:00:20Z" })],
    ["delete q"],
  ],
  [
    "replaces what failed",
    setOf(),
    [a],
    [daemon("p", "a", 2, { phase: "Failed" })],
    ["FailedDaemonPod", "delete p"],
  ],
  [
    "replaces what ended",
    setOf(),
    [a],
    [daemon("p", "a", 2, { phase: "Succeeded" })],
    ["SucceededDaemonPod", "delete p"],
  ],
  [
    "rolls out one at a time",
    setOf(unavailable(1)),
    [a, b],
    [daemon("p", "a", 1), daemon("q", "b", 1)],
    ["delete p"],
  ],
  [
    "rolls out as many as may be missing",
    setOf(unavailable("50%")),
    [a, b, c],
    [daemon("p", "a", 1), daemon("q", "b", 1), daemon("r", "c", 1)],
    ["delete p", "delete q"],
  ],
  [
    "waits while one is missing",
    setOf(unavailable(1)),
    [a, b],
    [daemon("p", "a", 2, { isReady: false }), daemon("q", "b", 1)],
    [],
  ],
  [
    "replaces those that do not serve at once",
    setOf(unavailable(1)),
    [a, b],
    [daemon("p", "a", 2, { isReady: false }), daemon("q", "b", 1, { isReady: false })],
    ["delete q"],
  ],
  [
    "rolls out nothing when told by deletion only",
    setOf({ updateStrategy: { type: "OnDelete" } }),
    [a],
    [daemon("p", "a", 1)],
    [],
  ],
  [
    "with a surge the new one comes first",
    setOf(surge),
    [a, b],
    [daemon("p", "a", 1), daemon("q", "b", 1)],
    ["create"],
  ],
  [
    "and the old one goes once it serves",
    setOf(surge),
    [a],
    [daemon("p", "a", 1), daemon("q", "a", 2)],
    ["delete p"],
  ],
])("%s", (...[, set, nodes, pods, want]) => {
  expect(
    decide(set, nodes, pods)
      .filter(({ kind }) => kind !== "status")
      .map(say),
  ).toEqual([...want]);
});

test("a Pod is for its node alone, bears what is wrong with nodes, and names its template", () => {
  const [made] = decide(setOf(), [a], []);
  expect(made).toMatchObject({
    kind: "create",
    draft: {
      metadata: { generateName: "ds-", labels: { app: "ds", "controller-revision-hash": "2" } },
      spec: unplaced.spec as object,
    },
  });
  expect(JSON.stringify(made)).toContain("node.kubernetes.io/unschedulable");
});

test("the status counts nodes", () => {
  const pods = [daemon("p", "a"), daemon("q", "b", 1, { isReady: false }), daemon("r", "c")];
  const nodes = [a, b, node("c", [{ ...expelling, effect: "NoExecute" }])];
  const status = decide(setOf(), nodes, pods).flatMap((action) =>
    action.kind === "status" ? [action.status] : [],
  )[0];
  expect(status).toEqual({
    currentNumberScheduled: 2,
    numberMisscheduled: 1,
    desiredNumberScheduled: 2,
    numberReady: 1,
    observedGeneration: 1,
    updatedNumberScheduled: 1,
    numberAvailable: 1,
    numberUnavailable: 1,
  });
});

import { expect, test } from "bun:test";
import { meta } from "../../../tests/support/kube-objects.ts";
import { nowMs, podObject, type PodTraits, templateOf } from "../../../tests/support/workload-objects.ts";
import type { ReplicaSetObject } from "../../model/workload.ts";
import { podsPerStep, reconcileReplicaSet, type ReplicaSetFacts } from "./reconcile-replica-set.ts";
import type { WorkloadAction } from "./workload-action.ts";

function setOf(replicas: number, more: Partial<ReplicaSetObject["spec"]> = {}): ReplicaSetObject {
  const labels = { app: "web" };
  return {
    apiVersion: "apps/v1",
    kind: "ReplicaSet",
    metadata: meta("shop", "web"),
    spec: { replicas, selector: { matchLabels: labels }, template: templateOf(labels), ...more },
  };
}

const owner = { kind: "ReplicaSet", name: "web" };
const own = (name: string, traits: PodTraits = {}) => podObject(name, { owner, ...traits });

function decide(facts: Omit<ReplicaSetFacts, "nowMs">) {
  const { actions, againMs } = reconcileReplicaSet({ ...facts, nowMs });
  return {
    said: actions.filter(({ kind }) => kind !== "status").map(say),
    status: statusIn(actions),
    againMs,
  };
}

function say(action: WorkloadAction): string {
  if (action.kind === "create") return `create ${action.draft.metadata.generateName ?? ""}`;
  return action.kind === "event" ? action.event.reason : `${action.kind} ${action.key.name}`;
}

function statusIn(actions: readonly WorkloadAction[]): object | undefined {
  return actions.flatMap((action) => (action.kind === "status" ? [action.status] : []))[0];
}

test.each<[string, number, readonly ReturnType<typeof own>[], readonly string[]]>([
  ["makes what is missing", 2, [], ["create web-", "create web-"]],
  ["leaves as many as are wished for", 1, [own("a")], []],
  [
    "counts neither those that end nor those that ended",
    1,
    [own("a", { isEnding: true }), own("b", { phase: "Failed" })],
    ["create web-"],
  ],
  ["takes orphans in that it selects", 1, [podObject("a")], ["patch a"]],
  ["leaves another's", 0, [podObject("a", { owner: { kind: "ReplicaSet", name: "other" } })], []],
  ["lets go of what it selects no more", 0, [own("a", { labels: { app: "other" } })], ["patch a"]],
  ["deletes unplaced Pods first", 1, [own("a"), own("b", { node: "" })], ["delete b"]],
  ["deletes pending Pods before running ones", 1, [own("a"), own("b", { phase: "Pending" })], ["delete b"]],
  ["deletes unready Pods before ready ones", 1, [own("a"), own("b", { isReady: false })], ["delete b"]],
  [
    "deletes the cheaper one",
    1,
    [own("a", { annotations: { "controller.kubernetes.io/pod-deletion-cost": "-1" } }), own("b")],
    ["delete a"],
  ],
  [
    "deletes what is ready for the shorter time",
    1,
    [own("a", { sinceMs: nowMs - 9000 }), own("b", { sinceMs: nowMs - 1000 })],
    ["delete b"],
  ],
  ["deletes what was started again more often", 1, [own("a", { restarts: 2 }), own("b")], ["delete a"]],
  ["deletes the younger one", 1, [own("a"), own("b", { madeAt: "2026-01-01T00:00:30Z" })], ["delete b"]],
])("%s", (_case, replicas, pods, want) => {
  expect(decide({ set: setOf(replicas), pods }).said).toEqual([...want]);
});

test("the status counts, and is written only when it differs", () => {
  const set = setOf(3, { minReadySeconds: 40 });
  const pods = [
    own("a", { sinceMs: nowMs - 50_000 }),
    own("b"),
    own("c", { isReady: false }),
    own("d", { isEnding: true }),
  ];
  const { status, againMs } = decide({ set, pods });
  expect(status).toEqual({
    replicas: 3,
    fullyLabeledReplicas: 3,
    readyReplicas: 2,
    availableReplicas: 1,
    terminatingReplicas: 1,
    observedGeneration: 1,
  });
  // The second is available ten seconds from now.
  expect(againMs).toBe(10_000);
  const settled = { ...set, status: status as NonNullable<ReplicaSetObject["status"]> };
  expect(decide({ set: settled, pods }).status).toBeUndefined();
});

test("why Pods cannot be made is a condition, before the next try and until one succeeds", () => {
  const failure = { reason: "FailedCreate", message: "no account" } as const;
  const { actions } = reconcileReplicaSet({ set: setOf(1), pods: [], failure, nowMs });
  expect(actions.map(({ kind }) => kind)).toEqual(["status", "create"]);
  expect(statusIn(actions)).toMatchObject({
    conditions: [{ type: "ReplicaFailure", status: "True", reason: "FailedCreate", message: "no account" }],
  });
  const failed = { ...setOf(1), status: statusIn(actions) as NonNullable<ReplicaSetObject["status"]> };
  expect(decide({ set: failed, pods: [own("a")] }).status).not.toHaveProperty("conditions");
});

test("a burst is made in steps; one that is being deleted makes nothing and takes nothing", () => {
  expect(decide({ set: setOf(podsPerStep + 5), pods: [] }).said).toHaveLength(podsPerStep);
  const going = setOf(2);
  const metadata = { ...going.metadata, deletionTimestamp: "2026-01-01T00:00:59Z" };
  expect(decide({ set: { ...going, metadata }, pods: [podObject("a")] }).said).toEqual([]);
});

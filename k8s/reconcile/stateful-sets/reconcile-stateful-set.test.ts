import { expect, test } from "bun:test";
import { meta } from "../../../tests/support/kube-objects.ts";
import {
  nowMs,
  ownedBy,
  podObject,
  type PodTraits,
  templateOf,
} from "../../../tests/support/workload-objects.ts";
import type { PodObject } from "../../model/pod.ts";
import type { ControllerRevisionObject, StatefulSetObject } from "../../model/workload.ts";
import type { WorkloadAction } from "../workloads/workload-action.ts";
import { reconcileStatefulSet } from "./reconcile-stateful-set.ts";

const labels = { app: "db" };
const first = templateOf(labels);
const second = templateOf(labels, "x:2");

function setOf(replicas: number, more: Partial<StatefulSetObject["spec"]> = {}): StatefulSetObject {
  return {
    apiVersion: "apps/v1",
    kind: "StatefulSet",
    metadata: meta("shop", "db"),
    spec: { replicas, serviceName: "db", selector: { matchLabels: labels }, template: first, ...more },
    status: { replicas: 0, availableReplicas: 0, currentRevision: "db-1", updateRevision: "db-1" },
  };
}

function revision(number: number, template: object): ControllerRevisionObject {
  return {
    apiVersion: "apps/v1",
    kind: "ControllerRevision",
    metadata: meta("shop", `db-${number}`, { labels, ownerReferences: [ownedBy("StatefulSet", "db")] }),
    data: { spec: { template: { ...template, $patch: "replace" } } },
    revision: number,
  };
}

const revisions = [revision(1, first), revision(2, second)];

function member(ordinal: number, of: 1 | 2 = 1, traits: PodTraits = {}): PodObject {
  return podObject(`db-${ordinal}`, {
    owner: { kind: "StatefulSet", name: "db" },
    labels: { ...labels, "controller-revision-hash": `db-${of}` },
    ...traits,
  });
}

function decide(set: StatefulSetObject, pods: readonly PodObject[], history = revisions) {
  const { actions } = reconcileStatefulSet({ set, pods, revisions: history, nowMs });
  return actions;
}

function say(action: WorkloadAction): string {
  if (action.kind === "create") return `create ${action.draft.metadata.name ?? ""}`;
  return action.kind === "event" ? action.event.reason : `${action.kind} ${action.key.name}`;
}

const parallel = { podManagementPolicy: "Parallel" } as const;
const rolled = { template: second };
const onDelete = { template: second, updateStrategy: { type: "OnDelete" } } as const;
const partition = (count: number) =>
  ({
    template: second,
    updateStrategy: { type: "RollingUpdate", rollingUpdate: { partition: count } },
  }) as const;

test.each<[string, StatefulSetObject, readonly PodObject[], readonly string[]]>([
  ["makes the first alone", setOf(3), [], ["create db-0"]],
  ["waits until it is ready", setOf(3), [member(0, 1, { isReady: false })], []],
  ["then makes the next", setOf(3), [member(0)], ["create db-1"]],
  ["waits for one that ends", setOf(2), [member(0, 1, { isEnding: true }), member(1)], []],
  ["fills a gap first", setOf(3), [member(0), member(2)], ["create db-1"]],
  ["makes all at once in parallel", setOf(3, parallel), [], ["create db-0", "create db-1", "create db-2"]],
  ["begins at its start", setOf(2, { ordinals: { start: 5 } }), [], ["create db-5"]],
  ["makes what ended anew", setOf(1), [member(0, 1, { phase: "Failed" })], ["delete db-0"]],
  ["shrinks from the top, one at a time", setOf(1), [member(0), member(1), member(2)], ["delete db-2"]],
  [
    "shrinks only while the rest is well",
    setOf(1),
    [member(0), member(1, 1, { isReady: false }), member(2, 1, { isReady: false })],
    [],
  ],
  [
    "shrinks all at once in parallel",
    setOf(1, parallel),
    [member(0), member(1), member(2)],
    ["delete db-2", "delete db-1"],
  ],
  ["waits for the one that goes", setOf(1), [member(0), member(1), member(2, 1, { isEnding: true })], []],
  ["rolls out from the top", setOf(2, rolled), [member(0), member(1)], ["delete db-1"]],
  ["rolls on once that is ready", setOf(2, rolled), [member(0), member(1, 2)], ["delete db-0"]],
  [
    "does not roll on before",
    setOf(2, { ...rolled, ...parallel }),
    [member(0), member(1, 2, { isReady: false })],
    [],
  ],
  ["leaves those below the partition", setOf(2, partition(1)), [member(0), member(1, 2)], []],
  ["rolls out nothing when told by deletion only", setOf(2, onDelete), [member(0), member(1)], []],
  [
    "leaves Pods of other names alone",
    setOf(0),
    [podObject("db-x", { labels }), podObject("db-01", { labels })],
    [],
  ],
])("%s", (_case, set, pods, want) => {
  const history = revisions.slice(0, set.spec.template === first ? 1 : 2);
  const said = decide(set, pods, history).filter(({ kind }) => kind !== "status");
  expect(said.map(say)).toEqual([...want]);
});

test("a member has its own name and number, and below the partition the former template", () => {
  const [above] = decide(setOf(2, partition(1)), [member(0)]);
  const [below] = decide(setOf(2, partition(1)), []);
  expect(above).toMatchObject({
    kind: "create",
    draft: {
      metadata: {
        name: "db-1",
        labels: {
          app: "db",
          "statefulset.kubernetes.io/pod-name": "db-1",
          "apps.kubernetes.io/pod-index": "1",
          "controller-revision-hash": "db-2",
        },
      },
      spec: { hostname: "db-1", subdomain: "db", containers: [{ image: "x:2" }] },
    },
  });
  expect(below).toMatchObject({
    draft: {
      metadata: { labels: { "controller-revision-hash": "db-1" } },
      spec: { containers: [{ image: "x:1" }] },
    },
  });
});

function statusOf(pods: readonly PodObject[]): unknown {
  return decide(setOf(2, rolled), pods).flatMap((action) =>
    action.kind === "status" ? [action.status] : [],
  )[0];
}

test("the status tells of both revisions until all Pods are of the new one and ready", () => {
  expect(statusOf([member(0), member(1, 2)])).toEqual({
    observedGeneration: 1,
    replicas: 2,
    readyReplicas: 2,
    currentReplicas: 1,
    updatedReplicas: 1,
    availableReplicas: 2,
    currentRevision: "db-1",
    updateRevision: "db-2",
    collisionCount: 0,
  });
  expect(statusOf([member(0, 2), member(1, 2)])).toMatchObject({
    currentRevision: "db-2",
    currentReplicas: 2,
  });
});

test("history: a new template is recorded, one that came back is renumbered, those beyond the limit go", () => {
  const third = decide(setOf(0, { template: templateOf(labels, "x:3") }), []);
  expect(third[0]).toMatchObject({
    kind: "create",
    draft: { revision: 3, metadata: { labels: { app: "db" } } },
  });
  const back = decide(setOf(0), []);
  expect(back[0]).toMatchObject({ kind: "patch", key: { name: "db-1" }, value: { revision: 3 } });
  const limited = decide(
    { ...setOf(0, { ...rolled, revisionHistoryLimit: 0 }), status: { replicas: 0, availableReplicas: 0 } },
    [],
  );
  expect(limited.map(say)).toEqual(["delete db-1", "status db"]);
});

test("one that is being deleted is left to its end", () => {
  const set = setOf(1);
  const metadata = { ...set.metadata, deletionTimestamp: "2026-01-01T00:00:59Z" };
  expect(decide({ ...set, metadata }, [])).toEqual([]);
});

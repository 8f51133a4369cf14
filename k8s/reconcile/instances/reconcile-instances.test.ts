import { expect, test } from "bun:test";
import { functionObject, revisionObject } from "../../../tests/support/kube-objects.ts";
import { nowMs } from "../../../tests/support/workload-objects.ts";
import type { PodObject, PodStatus } from "../../model/pod.ts";
import type { WorkloadAction } from "../workloads/workload-action.ts";
import { endedStatus, instancePod, type RunningInstance, runningStatus } from "./instance-pod.ts";
import { endedShownMs, type InstanceFacts, reconcileInstances } from "./reconcile-instances.ts";

const revision = revisionObject(functionObject("cart"), true, "v1");

function running(instance: string, more: Partial<RunningInstance> = {}): RunningInstance {
  return {
    instance,
    namespace: "shop",
    revision: "cart-v1",
    function: "cart",
    address: "10.244.0.9",
    state: "running",
    startedAtMs: nowMs - 5000,
    ...more,
  };
}

/** The Pod of an instance as it was written. */
function shown(instance: string, status?: PodStatus, more: object = {}): PodObject {
  const draft = instancePod(running(instance), revision, "node-0");
  return {
    apiVersion: "v1",
    kind: "Pod",
    ...draft,
    metadata: {
      ...draft.metadata,
      namespace: "shop",
      name: instance,
      uid: `uid-${instance}`,
      resourceVersion: "1",
      creationTimestamp: "2026-01-01T00:00:00Z",
      ...more,
    },
    status: status ?? runningStatus(running(instance), revision, "10.244.0.1"),
  };
}

function ended(instance: string, reason: string, agoMs = 1000): PodObject {
  const pod = shown(instance);
  return {
    ...pod,
    status: endedStatus(pod, { instance, namespace: "shop", reason, endedAtMs: nowMs - agoMs }),
  };
}

function decide(facts: Partial<InstanceFacts>) {
  const { actions, againMs } = reconcileInstances({
    instances: [],
    ended: [],
    pods: [],
    findRevision: (namespace, name) => (namespace === "shop" && name === "cart-v1" ? revision : undefined),
    node: "node-0",
    nodeAddress: "10.244.0.1",
    nowMs,
    ...facts,
  });
  return { said: actions.map(say), actions, againMs };
}

function say(action: WorkloadAction): string {
  if (action.kind === "event") return action.event.reason;
  return `${action.kind} ${action.kind === "create" ? (action.draft.metadata.name ?? "") : action.key.name}`;
}

const going = { deletionTimestamp: "2026-01-01T00:00:50Z" };
const crashed = { instance: "i", namespace: "shop", reason: "crash", endedAtMs: nowMs - 1000 };

test.each<[string, Partial<InstanceFacts>, readonly string[]]>([
  ["one that runs is shown", { instances: [running("i")] }, ["create i", "status i"]],
  ["one that lives for a moment is not", { instances: [running("i", { startedAtMs: nowMs - 900 })] }, []],
  ["one of a revision that is gone is not", { instances: [running("i", { revision: "cart-v0" })] }, []],
  ["what is shown stays", { instances: [running("i")], pods: [shown("i")] }, []],
  [
    "one that stops is not ready",
    { instances: [running("i", { state: "stopping" })], pods: [shown("i")] },
    ["status i"],
  ],
  [
    "a Pod without its status gets it",
    { instances: [running("i")], pods: [shown("i", { phase: "Pending" })] },
    ["status i"],
  ],
  [
    "one that somebody deletes goes, and comes back later",
    { instances: [running("i")], pods: [shown("i", undefined, going)] },
    ["delete i"],
  ],
  ["one that ended says how", { ended: [crashed], pods: [shown("i")] }, ["status i"]],
  [
    "another namespace's end is not its own",
    { ended: [{ ...crashed, namespace: "other" }], pods: [shown("i")] },
    ["delete i"],
  ],
  ["what nobody knows of goes", { pods: [shown("i")] }, ["delete i"]],
  ["what ended and is deleted goes", { pods: [shown("i", undefined, going)] }, ["delete i"]],
  ["what ended stays for a while", { pods: [ended("i", "idle")] }, []],
  ["and then goes", { pods: [ended("i", "idle", endedShownMs)] }, ["delete i"]],
  [
    "of a function's ended ones the latest three stay",
    { pods: [4, 1, 3, 2].map((age) => ended(`i${age}`, "idle", age * 1000)) },
    ["delete i4"],
  ],
])("%s", (_case, facts, want) => {
  expect(decide(facts).said).toEqual([...want]);
});

test("it is looked at again when a young one is old enough, and when an ended one fades", () => {
  expect(decide({ instances: [running("i", { startedAtMs: nowMs - 900 })] }).againMs).toBe(100);
  expect(decide({ pods: [ended("i", "idle", endedShownMs - 2000)] }).againMs).toBe(2000);
  expect(decide({}).againMs).toBeUndefined();
});

test("a burst is written a few at a time", () => {
  const { said, againMs } = decide({
    instances: Array.from({ length: 1000 }, (_, index) => running(`i${index}`)),
  });
  expect(said).toHaveLength(50);
  expect(againMs).toBe(250);
});

test("the Pod is the revision's, names function and bundle, and is ready at the instance's address", () => {
  const { actions } = decide({ instances: [running("i")] });
  expect(actions[0]).toMatchObject({
    draft: {
      metadata: {
        labels: { app: "cart", "lambient.dev/function": "cart", "lambient.dev/revision": "cart-v1" },
        annotations: { "lambient.dev/instance": "i" },
        ownerReferences: [{ kind: "Revision", name: "cart-v1", controller: true }],
      },
      spec: { nodeName: "node-0", containers: [{ name: "function", image: revision.spec.bundle }] },
    },
  });
  expect(actions[1]).toMatchObject({
    status: {
      phase: "Running",
      podIP: "10.244.0.9",
      containerStatuses: [{ ready: true, imageID: revision.spec.bundle }],
    },
  });
});

test.each([
  ["idle", "Succeeded", 0, "Completed"],
  ["stopped", "Succeeded", 0, "Completed"],
  ["crash", "Failed", 1, "Error"],
  ["oom", "Failed", 1, "OOMKilled"],
  ["something new", "Succeeded", 0, "Completed"],
])("an end by %s is told as %s", (reason, phase, exitCode, said) => {
  const { status } = ended("i", reason);
  expect(status).toMatchObject({
    phase,
    containerStatuses: [{ ready: false, state: { terminated: { exitCode, reason: said } } }],
  });
  expect(status).not.toHaveProperty("podIP");
  expect(status?.conditions?.find(({ type }) => type === "Ready")?.status).toBe("False");
});

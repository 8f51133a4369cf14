/** The controllers together, on an API in memory with a node that only says what its Pods do. */
import { expect, setDefaultTimeout, test } from "bun:test";
import { revisionResource } from "#host/kube/known-resources.ts";
import { functionObject, revisionObject } from "../../tests/support/kube-objects.ts";
import { type ControlledApi, openControlledApi } from "../../tests/support/controlled-api.ts";
import { waitUntil } from "../../tests/support/wait-until.ts";
import { templateOf } from "../../tests/support/workload-objects.ts";
import { endpointSliceResource, namespaceResource, serviceResource } from "../model/core-objects.ts";
import { eventResource } from "../model/event.ts";
import { jobResource } from "../model/job.ts";
import { nodeResource } from "../model/node.ts";
import { type PodObject, podResource } from "../model/pod.ts";
import {
  controllerRevisionResource,
  daemonSetResource,
  deploymentResource,
  replicaSetResource,
  statefulSetResource,
} from "../model/workload.ts";

/** The machine may be busy with other tests. */
setDefaultTimeout(60_000);

const namespace = "shop";

async function open(instances?: Parameters<typeof openControlledApi>[0]): Promise<ControlledApi> {
  const opened = await openControlledApi(instances);
  await opened.kube.create(namespaceResource, { metadata: { name: namespace } });
  return opened;
}

async function podsOf({ kube }: ControlledApi, labelSelector = ""): Promise<readonly PodObject[]> {
  return (await kube.list(podResource, { namespace, labelSelector })).items;
}

async function makeDeployment({ kube }: ControlledApi, name: string, replicas: number): Promise<void> {
  const labels = { app: name };
  const spec = { replicas, selector: { matchLabels: labels }, template: templateOf(labels) };
  await kube.create(deploymentResource, { metadata: { namespace, name }, spec });
}

async function isRolledOut({ kube }: ControlledApi, name: string, replicas: number): Promise<boolean> {
  const { status, metadata } = await kube.get(deploymentResource, { namespace, name });
  return (
    status?.observedGeneration === metadata.generation &&
    status?.updatedReplicas === replicas &&
    status.availableReplicas === replicas &&
    status.replicas === replicas
  );
}

test("a Deployment's Pods are made, placed, run, replaced, scaled and removed with it", async () => {
  await using world = await open();
  const { kube } = world;
  await makeDeployment(world, "web", 3);
  await waitUntil("it is rolled out", () => isRolledOut(world, "web", 3));
  const before = await podsOf(world);
  expect(before.map(({ spec }) => spec.nodeName)).toEqual(["node-0", "node-0", "node-0"]);
  const template = templateOf({ app: "web" }, "x:2");
  const key = { namespace, name: "web" };
  await kube.patch(deploymentResource, key, { kind: "merge", value: { spec: { template } } });
  await waitUntil("the new template is", () => isRolledOut(world, "web", 3));
  await waitUntil("the old Pods are gone", async () => {
    const uids = new Set((await podsOf(world)).map(({ metadata }) => metadata.uid));
    return before.every(({ metadata }) => !uids.has(metadata.uid));
  });
  await kube.patch(deploymentResource, key, { kind: "merge", value: { spec: { replicas: 1 } } });
  await waitUntil("it is scaled", () => isRolledOut(world, "web", 1));
  await kube.delete(deploymentResource, key);
  await waitUntil("nothing is left", async () => {
    const sets = await kube.list(replicaSetResource, { namespace });
    return sets.items.length === 0 && (await podsOf(world)).length === 0;
  });
});

test("a burst and restarts in the middle of it never make a Pod too many", async () => {
  await using world = await open();
  const { kube } = world;
  const counts = new Map<string, Set<string>>();
  const stop = new AbortController();
  let most = 0;
  kube.watch(podResource, {
    namespace,
    signal: stop.signal,
    onEvent({ type, object }) {
      const app = object.metadata.labels?.["app"] ?? "";
      const uids = counts.get(app) ?? new Set();
      counts.set(app, uids);
      if (type === "DELETED") uids.delete(object.metadata.uid);
      else uids.add(object.metadata.uid);
      most = Math.max(most, uids.size);
    },
  });
  for (let i = 0; i < 10; i++) await makeDeployment(world, `burst-${i}`, 12);
  for (let i = 0; i < 5; i++) {
    await new Promise((resolve) => setImmediate(resolve));
    world.restartControllers();
  }
  for (let i = 0; i < 10; i++)
    await waitUntil("it is rolled out", () => isRolledOut(world, `burst-${i}`, 12), 30_000);
  stop.abort();
  expect(most).toBe(12);
  expect((await podsOf(world)).length).toBe(120);
});

test("a Pod that fits nowhere says why, and is placed once a node fits", async () => {
  await using world = await open();
  const { kube } = world;
  const spec = { containers: [{ name: "c", image: "x" }], nodeSelector: { disk: "ssd" } };
  await kube.create(podResource, { metadata: { namespace, name: "picky" }, spec });
  const key = { namespace, name: "picky" };
  const waiting = await waitUntil("it says why", async () => {
    const { status } = await kube.get(podResource, key);
    return status?.conditions?.find(({ type }) => type === "PodScheduled");
  });
  const message = "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector.";
  expect(waiting).toMatchObject({ status: "False", reason: "Unschedulable", message });
  const event = await waitUntil("an event says so too", async () => {
    const { items } = await kube.list(eventResource, {
      namespace,
      fieldSelector: "involvedObject.name=picky",
    });
    return items[0];
  });
  expect(event).toMatchObject({ type: "Warning", reason: "FailedScheduling", message, count: 1 });
  await kube.patch(
    nodeResource,
    { name: "node-0" },
    { kind: "merge", value: { metadata: { labels: { disk: "ssd" } } } },
  );
  await waitUntil("it runs", async () => (await kube.get(podResource, key)).status?.phase === "Running");
});

test("a taint that expels makes Pods go, those that bear it stay, and none comes back before it is lifted", async () => {
  await using world = await open();
  const { kube } = world;
  await makeDeployment(world, "web", 2);
  const spec = { containers: [{ name: "c", image: "x" }], tolerations: [{ operator: "Exists" as const }] };
  await kube.create(podResource, { metadata: { namespace, name: "tough" }, spec });
  await waitUntil(
    "all run",
    async () => (await podsOf(world)).filter(({ status }) => status?.phase === "Running").length === 3,
  );
  const taint = async (taints: readonly object[]): Promise<unknown> =>
    kube.patch(nodeResource, { name: "node-0" }, { kind: "merge", value: { spec: { taints } } });
  await taint([{ key: "out", effect: "NoExecute" }]);
  await waitUntil("those that do not bear it wait for another node", async () => {
    const phases = (await podsOf(world, "app=web")).map(
      ({ status, spec: { nodeName } }) => `${status?.phase} ${nodeName}`,
    );
    return phases.length === 2 && phases.every((each) => each === "Pending undefined");
  });
  expect((await kube.get(podResource, { namespace, name: "tough" })).status?.phase).toBe("Running");
  await taint([]);
  await waitUntil("they run again", () => isRolledOut(world, "web", 2));
});

test("a binding is made once, to a node, for a Pod that stays", async () => {
  await using world = await open();
  const { api, kube } = world;
  const spec = { containers: [{ name: "c", image: "x" }], schedulerName: "mine" };
  await kube.create(podResource, { metadata: { namespace, name: "p" }, spec });
  const user = { name: "me", groups: ["system:masters"] };
  const bind = async (target: unknown, query = ""): Promise<string> => {
    const request = new Request(`http://api/api/v1/namespaces/${namespace}/pods/p/binding${query}`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ target }),
    });
    const response = await api.handle(request, user);
    const { message = "" } = (await response.json()) as { message?: string };
    return `${response.status} ${message}`.trim();
  };
  expect(await bind({ kind: "Service", name: "x" })).toStartWith("400");
  expect(await bind({ kind: "Node" })).toStartWith("400");
  expect(await bind({ kind: "Node", name: "other" }, "?dryRun=All")).toBe("201");
  expect(await bind({ kind: "Node", name: "node-0" })).toBe("201");
  expect(await bind({ kind: "Node", name: "other" })).toContain('already assigned to node "node-0"');
  expect((await kube.get(podResource, { namespace, name: "p" })).spec.nodeName).toBe("node-0");
});

test("a StatefulSet goes in order, a DaemonSet is on the node, both keep their history", async () => {
  await using world = await open();
  const { kube } = world;
  const labels = { app: "db" };
  const selector = { matchLabels: labels };
  const key = { namespace, name: "db" };
  await kube.create(statefulSetResource, {
    metadata: key,
    spec: { replicas: 3, serviceName: "db", selector, template: templateOf(labels) },
  });
  const isSettled = async (): Promise<boolean> => {
    const { status, metadata } = await kube.get(statefulSetResource, key);
    return (
      status?.observedGeneration === metadata.generation &&
      status?.readyReplicas === 3 &&
      status.updatedReplicas === 3
    );
  };
  await waitUntil("all are ready", isSettled);
  const names = (await podsOf(world, "app=db")).map(({ metadata }) => metadata.name);
  expect(names.sort()).toEqual(["db-0", "db-1", "db-2"]);
  await kube.patch(statefulSetResource, key, {
    kind: "merge",
    value: { spec: { template: templateOf(labels, "x:2") } },
  });
  await waitUntil("all are replaced", isSettled);
  const of = { app: "ds" };
  await kube.create(daemonSetResource, {
    metadata: { namespace, name: "ds" },
    spec: { selector: { matchLabels: of }, template: templateOf(of) },
  });
  await waitUntil(
    "the daemon runs",
    async () => (await kube.get(daemonSetResource, { namespace, name: "ds" })).status?.numberReady === 1,
  );
  const { items } = await kube.list(controllerRevisionResource, { namespace });
  expect(items.map(({ metadata, revision }) => `${metadata.name.split("-")[0]} ${revision}`).sort()).toEqual([
    "db 1",
    "db 2",
    "ds 1",
  ]);
});

test("Jobs end as their Pods do, are counted once each, and go with their Pods after their time", async () => {
  await using world = await open();
  const { kube, kubelet } = world;
  kubelet.fate = ({ metadata }) => (metadata.labels?.["job-name"] === "bad" ? "failed" : "succeeded");
  const make = (name: string, more: object): Promise<unknown> => {
    const template = templateOf({});
    const spec = {
      template: { ...template, spec: { ...template.spec, restartPolicy: "Never" as const } },
      ...more,
    };
    return kube.create(jobResource, { metadata: { namespace, name }, spec });
  };
  await make("good", { completions: 7, parallelism: 3 });
  await make("bad", { backoffLimit: 0 });
  await make("brief", { ttlSecondsAfterFinished: 0 });
  const statusOf = async (name: string) => (await kube.get(jobResource, { namespace, name })).status;
  const good = await waitUntil("it is complete", async () => {
    const status = await statusOf("good");
    return status?.completionTime === undefined ? undefined : status;
  });
  expect(good).toMatchObject({ succeeded: 7, ready: 0, terminating: 0, uncountedTerminatedPods: {} });
  const bad = await waitUntil("it has failed", async () => {
    const status = await statusOf("bad");
    return status?.conditions?.some(({ type }) => type === "Failed") === true ? status : undefined;
  });
  expect(bad).toMatchObject({ failed: 1 });
  expect(
    (await podsOf(world, "job-name=good")).every(({ metadata }) => metadata.finalizers === undefined),
  ).toBe(true);
  await waitUntil("the brief one is gone with its Pods", async () => {
    const { items } = await kube.list(jobResource, { namespace });
    return items.length === 2 && (await podsOf(world, "job-name=brief")).length === 0;
  });
});

test("EndpointSlices follow Pods' readiness and end, and a Namespace takes everything with it", async () => {
  await using world = await open();
  const { kube, kubelet } = world;
  await kube.create(serviceResource, {
    metadata: { namespace, name: "web" },
    spec: { selector: { app: "web" }, ports: [{ name: "http", port: 80 }] },
  });
  const readyOf = async (): Promise<string> => {
    const { items } = await kube.list(endpointSliceResource, {
      namespace,
      labelSelector: "kubernetes.io/service-name=web",
    });
    const endpoints = items.flatMap((slice) => (slice.endpoints as typeof slice.endpoints | undefined) ?? []);
    return `${endpoints.filter(({ conditions }) => conditions?.ready === true).length}/${endpoints.length}`;
  };
  await waitUntil(
    "there is an empty slice",
    async () => (await kube.list(endpointSliceResource, { namespace })).items.length === 1,
  );
  await makeDeployment(world, "web", 2);
  await waitUntil("both are ready", async () => (await readyOf()) === "2/2");
  kubelet.fate = () => "unready";
  kubelet.replay();
  await waitUntil("neither is ready", async () => (await readyOf()) === "0/2");
  kubelet.endsDeleted = false;
  await kube.delete(namespaceResource, { name: namespace });
  await waitUntil("its Pods are asked to end", async () =>
    (await podsOf(world)).every(({ metadata }) => metadata.deletionTimestamp !== undefined),
  );
  expect((await podsOf(world)).length).toBeGreaterThan(0);
  kubelet.endsDeleted = true;
  kubelet.replay();
  await waitUntil("it is gone", async () =>
    (await kube.list(namespaceResource)).items.every(({ metadata }) => metadata.name !== namespace),
  );
});

test("what Pods cannot be made of is said in a condition and an Event, and mended by itself", async () => {
  await using world = await open();
  const { kube } = world;
  const labels = { app: "web" };
  const template = templateOf(labels);
  const spec = {
    replicas: 1,
    selector: { matchLabels: labels },
    template: { ...template, spec: { ...template.spec, serviceAccountName: "late" } },
  };
  await kube.create(replicaSetResource, { metadata: { namespace, name: "web" }, spec });
  const failure = await waitUntil("it says so", async () => {
    const { status } = await kube.get(replicaSetResource, { namespace, name: "web" });
    return status?.conditions?.find(({ type }) => type === "ReplicaFailure");
  });
  expect(failure).toMatchObject({ status: "True", reason: "FailedCreate" });
  expect(failure.message).toContain('serviceaccount "late" not found');
  expect(world.failures).toContain("replicaset-controller");
});

test("instances are shown as Pods, and told as ended", async () => {
  const instance = {
    instance: "cart-v1-abc",
    namespace,
    revision: "cart-v1",
    function: "cart",
    address: "10.244.0.9",
    state: "running",
    startedAtMs: Date.now() - 5000,
  };
  const source = {
    instances: [instance] as (typeof instance)[],
    ended: [] as { instance: string; namespace: string; reason: string; endedAtMs: number }[],
    node: "node-0",
    nodeAddress: "10.244.0.1",
    known: Promise.resolve(),
  };
  await using world = await open(source);
  const { kube } = world;
  const { spec } = revisionObject(functionObject("cart"), true, "v1");
  await kube.create(revisionResource, { metadata: { namespace, name: "cart-v1" }, spec });
  world.controllers.instancesChanged();
  const key = { namespace, name: "cart-v1-abc" };
  await waitUntil("it is shown", async () => (await podsOf(world))[0]?.status?.phase === "Running");
  expect((await kube.get(podResource, key)).status).toMatchObject({
    podIP: "10.244.0.9",
    hostIP: "10.244.0.1",
  });
  // A user who deletes it sees it again: the instance runs.
  await kube.delete(podResource, key);
  world.controllers.instancesChanged();
  await waitUntil("it is shown again", async () => (await podsOf(world))[0]?.status?.phase === "Running");
  source.ended.push({ instance: "cart-v1-abc", namespace, reason: "crash", endedAtMs: Date.now() });
  source.instances.splice(0);
  world.controllers.instancesChanged();
  await waitUntil("its end is told", async () => (await podsOf(world))[0]?.status?.phase === "Failed");
  await kube.delete(revisionResource, { namespace, name: "cart-v1" });
  await waitUntil("it goes with its revision", async () => (await podsOf(world)).length === 0);
});

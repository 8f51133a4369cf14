/** Workloads through the control plane as its own process, with a node that only says what its Pods do: kills in between lose and double nothing. */
import { expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { functionResource } from "#host/kube/known-resources.ts";
import { namespaceResource } from "../../k8s/model/core-objects.ts";
import { eventResource } from "../../k8s/model/event.ts";
import { jobResource } from "../../k8s/model/job.ts";
import { podResource } from "../../k8s/model/pod.ts";
import { deploymentResource } from "../../k8s/model/workload.ts";
import { type ControlPlane, startControlPlane } from "../support/control-plane.ts";
import { scriptKubelet } from "../support/scripted-kubelet.ts";
import { scriptNodeRuntime } from "../support/scripted-node-runtime.ts";
import { waitUntil } from "../support/wait-until.ts";
import { templateOf } from "../support/workload-objects.ts";

const namespace = "shop";
const longMs = 60_000;

async function start(): Promise<ControlPlane> {
  const plane = await startControlPlane();
  await plane.kube.create(namespaceResource, { metadata: { name: namespace } });
  return plane;
}

test(
  "kills in the middle of rollouts and Jobs: every Pod is made once, every end is counted once",
  async () => {
    await using plane = await start();
    const { kube } = plane;
    const made = new Set<string>();
    const stop = new AbortController();
    kube.watch(podResource, {
      namespace,
      labelSelector: "batch.kubernetes.io/job-name=count",
      signal: stop.signal,
      onEvent: ({ object }) => void made.add(object.metadata.uid),
    });
    using kubelet = await scriptKubelet(kube);
    kubelet.fate = ({ metadata }) => (metadata.labels?.["app"] === "web" ? "ready" : "succeeded");
    const labels = { app: "web" };
    await kube.create(deploymentResource, {
      metadata: { namespace, name: "web" },
      spec: { replicas: 10, selector: { matchLabels: labels }, template: templateOf(labels) },
    });
    const template = templateOf({});
    const spec = { ...template.spec, restartPolicy: "Never" as const };
    await kube.create(jobResource, {
      metadata: { namespace, name: "count" },
      spec: { completions: 30, parallelism: 5, template: { ...template, spec } },
    });
    for (const image of ["x:2", "x:3", "x:4"]) {
      await plane.stop("SIGKILL");
      await plane.start();
      const value = { spec: { template: templateOf(labels, image) } };
      await kube.patch(deploymentResource, { namespace, name: "web" }, { kind: "merge", value });
    }
    const job = await waitUntil(
      "the Job is complete",
      async () => {
        const { status } = await kube.get(jobResource, { namespace, name: "count" });
        return status?.completionTime === undefined ? undefined : status;
      },
      longMs,
    );
    expect(job).toMatchObject({ succeeded: 30, uncountedTerminatedPods: {} });
    expect(job).not.toHaveProperty("failed");
    await waitUntil(
      "the last template is rolled out",
      async () => {
        const { status, metadata } = await kube.get(deploymentResource, { namespace, name: "web" });
        const { observedGeneration, replicas, updatedReplicas, availableReplicas } = status ?? {};
        const isSeen = observedGeneration === metadata.generation;
        return isSeen && [replicas, updatedReplicas, availableReplicas].every((count) => count === 10);
      },
      longMs,
    );
    const pods = await kube.list(podResource, { namespace, labelSelector: "app=web" });
    const running = pods.items.filter(({ metadata }) => metadata.deletionTimestamp === undefined);
    expect(running.map(({ spec: { containers } }) => containers[0]?.image)).toEqual(Array(10).fill("x:4"));
    // A watch that met a killed server comes again in its own time.
    await waitUntil("the watch has told of all", () => made.size >= 30, longMs);
    stop.abort();
    // One that succeeds is never made twice, whoever was killed when.
    expect(made.size).toBe(30);
  },
  2 * longMs,
);

const code = 'export default { fetch() { return new Response("hello"); } };';
const bundle = `sha256:${createHash("sha256").update(code).digest("hex")}`;

test(
  "a function may be applied before its bundle: it says what is missing, and is deployed once that comes",
  async () => {
    await using plane = await start();
    using node = scriptNodeRuntime(plane.runDir);
    const { kube } = plane;
    const key = { namespace, name: "price" };
    const spec = { template: { bundle } } as never;
    await kube.create(functionResource, { metadata: key, spec });
    const ready = async () =>
      (await kube.get(functionResource, key)).status?.conditions?.find(({ type }) => type === "Ready");
    const missing = await waitUntil("it says so", async () => {
      const found = await ready();
      return found?.status === "False" ? found : undefined;
    });
    expect(missing.message).toContain(
      `Cannot load bundle ${bundle}: it was not uploaded; run "lambient bundle push <file>"`,
    );
    expect(node.checked).toEqual([]);
    const put = await plane.fetch("admin", `/bundles/${bundle}`, { method: "PUT", body: code });
    expect(put.status).toBe(201);
    await waitUntil("it serves", async () => (await ready())?.status === "True");
    const reasons = await waitUntil("its Events tell the story", async () => {
      const { items } = await kube.list(eventResource, {
        namespace,
        fieldSelector: "involvedObject.kind=Function",
      });
      const all = items.map(({ reason }) => reason ?? "");
      return all.includes("Deployed") ? all : undefined;
    });
    expect(new Set(reasons)).toEqual(new Set(["RevisionCreated", "RevisionFailed", "Deployed"]));
  },
  longMs,
);

test(
  "instances that the node runtime tells of are shown as Pods, with how they ended",
  async () => {
    await using plane = await start();
    using node = scriptNodeRuntime(plane.runDir);
    const { kube } = plane;
    const put = await plane.fetch("admin", `/bundles/${bundle}`, { method: "PUT", body: code });
    expect(put.status).toBe(201);
    const spec = { revision: "v1", template: { bundle } } as never;
    await kube.create(functionResource, { metadata: { namespace, name: "price" }, spec });
    const instance = { instance: "price-v1-abc", namespace, revision: "price-v1", function: "price" };
    node.answers.instances = [
      {
        ...instance,
        address: "10.244.0.9",
        state: "running",
        startedAtMs: Date.now() - 5000,
        rung: "pooled",
      },
    ];
    const phase = async (): Promise<string | undefined> => {
      const { items } = await kube.list(podResource, {
        namespace,
        labelSelector: "lambient.dev/function=price",
      });
      return items[0]?.status?.phase;
    };
    await waitUntil("it is shown", async () => (await phase()) === "Running");
    // The control plane is killed, the node runtime lives: the Pod is still the instance's.
    await plane.stop("SIGKILL");
    await plane.start();
    expect(await phase()).toBe("Running");
    node.answers.instances = [];
    node.answers.ended = [{ instance: "price-v1-abc", namespace, reason: "oom", endedAtMs: Date.now() }];
    await waitUntil("its end is told", async () => (await phase()) === "Failed");
    const pod = await kube.get(podResource, { namespace, name: "price-v1-abc" });
    expect(pod.status?.containerStatuses?.[0]?.state.terminated).toMatchObject({
      reason: "OOMKilled",
      exitCode: 1,
    });
  },
  longMs,
);

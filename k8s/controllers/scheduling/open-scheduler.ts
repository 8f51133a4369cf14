/** The scheduler: Pods without a node are given one through `pods/binding`, or told why there is none. */
import { KubeError } from "#host/kube/kube-error.ts";
import type { Status } from "#host/kube/object.ts";
import type { Api } from "../../api/api.ts";
import { timestamp } from "../../api/write-context.ts";
import { instanceAnnotation, type PodObject, podResource } from "../../model/pod.ts";
import { decideNode, isNodeReady } from "../../reconcile/scheduling/decide-node.ts";
import { isTerminal } from "../../reconcile/workloads/pod-facts.ts";
import { keyOf } from "../../reconcile/workloads/workload-action.ts";
import { parseQueueKey, queueKey } from "../informer.ts";
import type { ControllerTools } from "../keyed-controller.ts";
import { WorkQueue } from "../work-queue.ts";
import { errorText } from "#host/mesh-error.ts";

const component = "default-scheduler";
const user = { name: "system:kube-scheduler", groups: ["system:masters", "system:authenticated"] } as const;
/** A Pod that fits nowhere is looked at again when a node changes, and after this time. */
const againMs = 300_000;

/** Opens it. @param api where Pods are bound */
export function openScheduler(api: Pick<Api, "handle">, tools: ControllerTools): WorkQueue {
  const { informers, client, clock, random, log } = tools;
  const work = async (key: string): Promise<number | undefined> => {
    await informers.synced;
    const pod = informers.pods.find(parseQueueKey(key));
    if (pod === undefined || !isWaiting(pod)) return undefined;
    const nodes = informers.nodes.all();
    // Of one node there is no least loaded.
    const load = nodes.length > 1 ? loadOf(informers.pods.all()) : new Map<string, number>();
    const verdict = decideNode(pod, nodes, load);
    if (verdict.kind === "none") {
      await tellUnschedulable(pod, verdict.message);
      return againMs;
    }
    await bind(api, pod, verdict.name);
    informers.note(podResource, await client.get(podResource, keyOf(pod)));
    const { namespace, name } = pod.metadata;
    const message = `Successfully assigned ${namespace}/${name} to ${verdict.name}`;
    tools.record(component, { about: pod, type: "Normal", reason: "Scheduled", message });
    return undefined;
  };
  const tellUnschedulable = async (pod: PodObject, message: string): Promise<void> => {
    const { conditions = [] } = pod.status ?? {};
    const before = conditions.find(({ type }) => type === "PodScheduled");
    if (before?.status === "False" && before.message === message) return;
    const scheduled = {
      type: "PodScheduled",
      status: "False",
      lastProbeTime: null,
      lastTransitionTime: before?.status === "False" ? before.lastTransitionTime : timestamp(clock.nowMs()),
      reason: "Unschedulable",
      message,
    };
    const others = conditions.filter(({ type }) => type !== "PodScheduled");
    const value = {
      metadata: { resourceVersion: pod.metadata.resourceVersion },
      status: { conditions: [...others, scheduled] },
    };
    informers.note(podResource, await client.patchStatus(podResource, keyOf(pod), { kind: "merge", value }));
    tools.record(component, { about: pod, type: "Warning", reason: "FailedScheduling", message });
  };
  const queue = new WorkQueue({
    work,
    onFailure(key, error, retryInMs) {
      tools.onFailure(component);
      log.debug("pod not scheduled", { pod: key, error: errorText(error), retryInMs: Math.round(retryInMs) });
    },
    all: () => informers.pods.all().filter(isWaiting).map(queueKey),
    clock,
    random,
    // One after the other: each sees where the one before went.
    runningMax: 1,
  });
  informers.pods.onChange(({ before, after }) => {
    if (after !== undefined && isWaiting(after) && (before === undefined || !isSameWish(before, after))) {
      queue.add(queueKey(after));
    }
  });
  informers.nodes.onChange(({ before, after }) => {
    // A heartbeat makes no room.
    if (nodeText(before) === nodeText(after)) return;
    for (const pod of informers.pods.all()) if (isWaiting(pod)) queue.add(queueKey(pod));
  });
  return queue;
}

/** Pods of other schedulers, and those that stand for function instances, are not ours. */
function isWaiting(pod: PodObject): boolean {
  const { spec, metadata } = pod;
  const scheduler = spec.schedulerName ?? component;
  return (
    (spec.nodeName ?? "") === "" &&
    (scheduler === component || scheduler === "") &&
    metadata.deletionTimestamp === undefined &&
    metadata.annotations?.[instanceAnnotation] === undefined &&
    (spec.schedulingGates ?? []).length === 0 &&
    !isTerminal(pod)
  );
}

/** Its own condition, written here, is no reason to look again. */
function isSameWish(before: PodObject, after: PodObject): boolean {
  return JSON.stringify(before.spec) === JSON.stringify(after.spec);
}

function nodeText(node: Parameters<typeof isNodeReady>[0] | undefined): string {
  return node === undefined ? "" : JSON.stringify([node.metadata.labels, node.spec, isNodeReady(node)]);
}

function loadOf(pods: readonly PodObject[]): ReadonlyMap<string, number> {
  const load = new Map<string, number>();
  for (const pod of pods) {
    const { nodeName = "" } = pod.spec;
    if (!isTerminal(pod) && nodeName !== "") load.set(nodeName, (load.get(nodeName) ?? 0) + 1);
  }
  return load;
}

/** @throws KubeError when another was quicker, or the Pod is gone */
async function bind(api: Pick<Api, "handle">, pod: PodObject, node: string): Promise<void> {
  const { namespace, name, uid } = pod.metadata;
  const body = {
    apiVersion: "v1",
    kind: "Binding",
    metadata: { namespace, name, uid },
    target: { apiVersion: "v1", kind: "Node", name: node },
  };
  const request = new Request(`http://api/api/v1/namespaces/${namespace}/pods/${name}/binding`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  const response = await api.handle(request, user);
  // Sound: what is no success is a Status, by the API's own hand.
  if (!response.ok) throw new KubeError((await response.json()) as Status);
}

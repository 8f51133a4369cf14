/** Which Pods nobody will ever end: on a node that is gone, ending without a node, or ended and beyond those kept. */
import { timestamp } from "../../api/write-context.ts";
import { instanceAnnotation, type PodObject, podResource } from "../../model/pod.ts";
import { isTerminal, isTerminating } from "../workloads/pod-facts.ts";
import { keyOf, type WorkloadAction } from "../workloads/workload-action.ts";

/** What is known. */
export interface PodFacts {
  readonly pods: readonly PodObject[];
  readonly nodes: ReadonlySet<string>;
  /** Names of nodes that have been gone for long enough. */
  readonly lostNodes: ReadonlySet<string>;
  readonly nowMs: number;
}

/** Ended Pods that are kept, as in Kubernetes. */
const endedMax = 12_500;

/** Decides. Pods that stand for function instances follow their instances alone. */
export function collectPods({ pods, nodes, lostNodes, nowMs }: PodFacts): readonly WorkloadAction[] {
  const own = pods.filter(({ metadata }) => metadata.annotations?.[instanceAnnotation] === undefined);
  const lost = own.filter(({ spec: { nodeName = "" } }) => !nodes.has(nodeName) && lostNodes.has(nodeName));
  const unplaced = own.filter((pod) => (pod.spec.nodeName ?? "") === "" && isTerminating(pod));
  const ended = own
    .filter((pod) => isTerminal(pod) && !isTerminating(pod))
    .sort((a, b) => (a.metadata.creationTimestamp < b.metadata.creationTimestamp ? -1 : 1));
  const beyond = ended.slice(0, Math.max(0, ended.length - endedMax));
  return [...new Set([...lost, ...unplaced, ...beyond])].flatMap((pod) => remove(pod, timestamp(nowMs)));
}

/** Names of nodes that Pods are on and that do not exist. */
export function missingNodes({ pods, nodes }: Pick<PodFacts, "pods" | "nodes">): ReadonlySet<string> {
  const named = pods
    .filter(({ metadata }) => metadata.annotations?.[instanceAnnotation] === undefined)
    .map(({ spec }) => spec.nodeName ?? "");
  return new Set(named.filter((name) => name !== "" && !nodes.has(name)));
}

/** It is marked as failed first, so that whoever counts its end counts it as that. */
function remove(pod: PodObject, now: string): readonly WorkloadAction[] {
  const { uid } = pod.metadata;
  const key = keyOf(pod);
  const gone: WorkloadAction = { kind: "delete", type: podResource, key, uid, graceSeconds: 0 };
  if (isTerminal(pod)) return [gone];
  const others = (pod.status?.conditions ?? []).filter(({ type }) => type !== "DisruptionTarget");
  const lost = {
    type: "DisruptionTarget",
    status: "True",
    reason: "DeletionByPodGC",
    message: "PodGC: node no longer exists",
    lastTransitionTime: now,
  } as const;
  const isPlaced = (pod.spec.nodeName ?? "") !== "";
  const status = { ...pod.status, phase: "Failed", conditions: isPlaced ? [...others, lost] : others };
  return [{ kind: "status", type: podResource, key, status }, gone];
}

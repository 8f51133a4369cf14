/** A Pod and its node's taints of effect NoExecute → whether it is to go, and when: at once, or after the time that it bears them. */
import { timestamp } from "../../api/write-context.ts";
import type { NodeObject, Taint } from "../../model/node.ts";
import { instanceAnnotation, type PodObject, podResource, type Toleration } from "../../model/pod.ts";
import { isTolerated } from "../scheduling/node-fit.ts";
import { isTerminal, isTerminating } from "../workloads/pod-facts.ts";
import { type Decision, decision, keyOf, nothing } from "../workloads/workload-action.ts";

/** What is known. */
export interface EvictionFacts {
  readonly pod: PodObject;
  readonly node: NodeObject | undefined;
  /** Since when the Pod has been on the node with its present taints, as far as anybody saw. */
  readonly sinceMs: number;
  readonly nowMs: number;
}

/** The taints that expel Pods. */
export function expellingTaints(node: NodeObject | undefined): readonly Taint[] {
  return (node?.spec?.taints ?? []).filter(({ effect }) => effect === "NoExecute");
}

/** Decides. */
export function evictPod({ pod, node, sinceMs, nowMs }: EvictionFacts): Decision {
  const taints = expellingTaints(node);
  const isShown = pod.metadata.annotations?.[instanceAnnotation] !== undefined;
  if (taints.length === 0 || isShown || isTerminal(pod) || isTerminating(pod)) return nothing;
  const bornMs = Math.min(...taints.map((taint) => bornFor(taint, pod.spec.tolerations ?? []))) * 1000;
  if (bornMs === Number.POSITIVE_INFINITY) return nothing;
  const leftMs = sinceMs + bornMs - nowMs;
  return leftMs > 0 ? decision([], leftMs) : evict(pod, nowMs);
}

/** Seconds for which a taint is borne: none without a toleration, for ever where one sets no end. */
function bornFor(taint: Taint, tolerations: readonly Toleration[]): number {
  const bearing = tolerations.filter((toleration) => isTolerated(taint, [toleration]));
  const ends = bearing.map(({ tolerationSeconds = Number.POSITIVE_INFINITY }) =>
    Math.max(0, tolerationSeconds),
  );
  return bearing.length === 0 ? 0 : Math.min(...ends);
}

function evict(pod: PodObject, nowMs: number): Decision {
  const { namespace, name, uid } = pod.metadata;
  const others = (pod.status?.conditions ?? []).filter(({ type }) => type !== "DisruptionTarget");
  const target = {
    type: "DisruptionTarget",
    status: "True",
    reason: "DeletionByTaintManager",
    message: "Taint manager: deleting due to NoExecute taint",
    lastTransitionTime: timestamp(nowMs),
  };
  const message = `Marking for deletion Pod ${namespace}/${name}`;
  const onDone = { about: pod, type: "Normal", reason: "TaintManagerEviction", message } as const;
  const key = keyOf(pod);
  return decision([
    { kind: "status", type: podResource, key, status: { ...pod.status, conditions: [...others, target] } },
    { kind: "delete", type: podResource, key, uid, saying: { onDone } },
  ]);
}

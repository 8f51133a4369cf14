/** A Pod without a node → the node it goes to, or why there is none, in the words of Kubernetes' scheduler. */
import type { NodeObject } from "../../model/node.ts";
import type { PodObject } from "../../model/pod.ts";
import { findMisfit, type Misfit } from "./node-fit.ts";

/** Where to. */
export type NodeVerdict =
  | { readonly kind: "node"; readonly name: string }
  | { readonly kind: "none"; readonly message: string };

/**
 * The node with the fewest Pods among those that the Pod may run on.
 * @param load Pods on a node, by its name
 */
export function decideNode(
  pod: PodObject,
  nodes: readonly NodeObject[],
  load: ReadonlyMap<string, number>,
): NodeVerdict {
  if (nodes.length === 0) return { kind: "none", message: "no nodes available to schedule pods" };
  const misfits: string[] = [];
  let best: { readonly name: string; readonly pods: number } | undefined;
  for (const node of nodes) {
    const why = whyNot(pod, node);
    const { name } = node.metadata;
    const pods = load.get(name) ?? 0;
    if (why !== undefined) misfits.push(why);
    else if (best === undefined || pods < best.pods) best = { name, pods };
  }
  if (best !== undefined) return { kind: "node", name: best.name };
  return { kind: "none", message: `0/${nodes.length} nodes are available: ${countReasons(misfits)}.` };
}

/** Whether a node says that it can take Pods. */
export function isNodeReady({ status }: NodeObject): boolean {
  return status?.conditions?.find(({ type }) => type === "Ready")?.status === "True";
}

function whyNot(pod: PodObject, node: NodeObject): string | undefined {
  const misfit = findMisfit(pod.spec, node);
  if (misfit !== undefined) return describe(misfit);
  // Kubernetes taints such a node; here the condition is enough.
  return isNodeReady(node) ? undefined : "node(s) were not ready";
}

function describe(misfit: Misfit): string {
  switch (misfit.kind) {
    case "selector":
      return "node(s) didn't match Pod's node affinity/selector";
    case "taint":
      return `node(s) had untolerated taint(s) {${misfit.taint.key}: ${misfit.taint.value ?? ""}}`;
    case "unschedulable":
      return "node(s) were unschedulable";
  }
}

function countReasons(reasons: readonly string[]): string {
  const counts = new Map<string, number>();
  for (const reason of reasons) counts.set(reason, (counts.get(reason) ?? 0) + 1);
  return [...counts]
    .map(([reason, count]) => `${count} ${reason}`)
    .sort()
    .join(", ");
}

/** Nodes and the time → which of them are silent: their readiness is not known any more, so that no Pod is sent there. */
import { timestamp } from "../../api/write-context.ts";
import { type NodeCondition, type NodeObject, nodeResource } from "../../model/node.ts";
import { type Decision, decision, keyOf, sooner, type WorkloadAction } from "../workloads/workload-action.ts";

/** Without a word for so long a node counts as silent; it speaks every ten seconds. */
const silentAfterMs = 40_000;

/** Decides. A node that never spoke of the time is somebody's who keeps it by hand. */
export function decideHeartbeat(nodes: readonly NodeObject[], nowMs: number): Decision {
  let againMs: number | undefined;
  const actions: WorkloadAction[] = [];
  for (const node of nodes) {
    const ready = node.status?.conditions?.find(({ type }) => type === "Ready");
    const spokeMs = Date.parse(ready?.lastHeartbeatTime ?? "");
    if (ready === undefined || ready.status === "Unknown" || Number.isNaN(spokeMs)) continue;
    const inMs = spokeMs + silentAfterMs - nowMs;
    if (inMs > 0) againMs = sooner(againMs, inMs);
    else actions.push(...silence(node, nowMs));
  }
  return decision(actions, againMs);
}

function silence(node: NodeObject, nowMs: number): readonly WorkloadAction[] {
  const { status, metadata } = node;
  const conditions = (status?.conditions ?? []).map((condition): NodeCondition => ({
    ...condition,
    status: "Unknown",
    reason: "NodeStatusUnknown",
    message: "Kubelet stopped posting node status.",
    lastTransitionTime: timestamp(nowMs),
  }));
  const message = `Node ${metadata.name} status is now: NodeNotReady`;
  return [
    { kind: "status", type: nodeResource, key: keyOf(node), status: { ...status, conditions } },
    { kind: "event", event: { about: node, type: "Normal", reason: "NodeNotReady", message } },
  ];
}

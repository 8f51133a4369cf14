/** Pods leave a node whose taints of effect NoExecute they do not bear, or no longer. */
import { evictPod, expellingTaints } from "../reconcile/nodes/evict-pod.ts";
import { nothing } from "../reconcile/workloads/workload-action.ts";
import { queueKey } from "./informer.ts";
import { type ControllerTools, openKeyed } from "./keyed-controller.ts";
import type { WorkQueue } from "./work-queue.ts";

/** Opens it. A restart counts the time that taints are borne anew, as nobody writes down when they came. */
export function openEviction(tools: ControllerTools): WorkQueue {
  const { informers, clock } = tools;
  /** By the Pod's uid, with the taints that it is counted for. */
  const since = new Map<string, { readonly taints: string; readonly atMs: number }>();
  const queue = openKeyed(
    {
      component: "taint-eviction-controller",
      informer: informers.pods,
      decide(pod) {
        const { uid } = pod.metadata;
        const node = informers.nodes.find({ name: pod.spec.nodeName ?? "" });
        const taints = expellingTaints(node);
        if (taints.length === 0) {
          since.delete(uid);
          return nothing;
        }
        const text = JSON.stringify(taints);
        const known = since.get(uid);
        const start = known?.taints === text ? known : { taints: text, atMs: clock.nowMs() };
        since.set(uid, start);
        return evictPod({ pod, node, sinceMs: start.atMs, nowMs: clock.nowMs() });
      },
    },
    tools,
  );
  informers.pods.onChange(({ before, after }) => {
    if (after === undefined && before !== undefined) since.delete(before.metadata.uid);
  });
  informers.nodes.onChange(({ before, after }) => {
    if (JSON.stringify(expellingTaints(before)) === JSON.stringify(expellingTaints(after))) return;
    const name = after?.metadata.name ?? before?.metadata.name;
    for (const pod of informers.pods.all()) if (pod.spec.nodeName === name) queue.add(queueKey(pod));
  });
  return queue;
}

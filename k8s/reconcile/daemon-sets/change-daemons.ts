/** Which Pods of a DaemonSet are made and deleted now, node by node, and in a rollout few at a time. */
import { type PodObject, podResource } from "../../model/pod.ts";
import { resolveCount } from "../deployments/replica-counts.ts";
import { revisionHashLabel } from "../workloads/history.ts";
import { isAvailable, isTerminal, isTerminating } from "../workloads/pod-facts.ts";
import { podsPerStep } from "../workloads/reconcile-replica-set.ts";
import { keyOf, type WorkloadAction } from "../workloads/workload-action.ts";
import { daemonDraft, type Daemons, isFor, staysOn } from "./daemon-pod.ts";

/** Decides. */
export function changeDaemons(daemons: Daemons): readonly WorkloadAction[] {
  const placed = [...daemons.nodes.flatMap((node) => placeOn(daemons, node)), ...dropLost(daemons)];
  const actions = placed.length > 0 ? placed : rollOut(daemons);
  return actions.slice(0, podsPerStep);
}

/** So that a node has one where it should, and none where it may not. */
function placeOn(daemons: Daemons, node: Daemons["nodes"][number]): readonly WorkloadAction[] {
  const { set, byNode } = daemons;
  const name = node.metadata.name;
  const pods = byNode.get(name) ?? [];
  const isWanted = isFor(set, node);
  if (isWanted && pods.length === 0) return [make(daemons, name)];
  if (!isWanted && !staysOn(set, node)) {
    return pods.filter((pod) => !isTerminating(pod)).map((pod) => remove(daemons, pod));
  }
  return [
    ...pods.filter((pod) => isEnded(pod)).flatMap((pod) => removeEnded(daemons, pod, name)),
    ...dropDoubles(daemons, pods),
  ];
}

/** Of several of one template on a node the oldest stays. */
function dropDoubles(daemons: Daemons, pods: readonly PodObject[]): readonly WorkloadAction[] {
  const running = pods.filter((pod) => !isTerminal(pod) && !isTerminating(pod));
  const byHash = Map.groupBy(running, ({ metadata }) => metadata.labels?.[revisionHashLabel] ?? "");
  return [...byHash.values()].flatMap((same) =>
    [...same]
      .sort((a, b) => (a.metadata.creationTimestamp < b.metadata.creationTimestamp ? -1 : 1))
      .slice(1)
      .map((pod) => remove(daemons, pod)),
  );
}

/** A Pod for a node that is gone before it got there would wait for ever. */
function dropLost(daemons: Daemons): readonly WorkloadAction[] {
  const names = new Set(daemons.nodes.map(({ metadata }) => metadata.name));
  return [...daemons.byNode]
    .filter(([node]) => !names.has(node))
    .flatMap(([, pods]) => pods.filter((pod) => (pod.spec.nodeName ?? "") === "" && !isTerminating(pod)))
    .map((pod) => remove(daemons, pod));
}

function isEnded(pod: PodObject): boolean {
  return isTerminal(pod) && !isTerminating(pod);
}

function removeEnded(daemons: Daemons, pod: PodObject, node: string): readonly WorkloadAction[] {
  const { set } = daemons;
  const what = `daemon pod ${pod.metadata.namespace}/${pod.metadata.name} on node ${node}, will try to`;
  const hasFailed = pod.status?.phase === "Failed";
  return [
    {
      kind: "event",
      event: hasFailed
        ? { about: set, type: "Warning", reason: "FailedDaemonPod", message: `Found failed ${what} kill it` }
        : {
            about: set,
            type: "Normal",
            reason: "SucceededDaemonPod",
            message: `Found succeeded ${what} delete it`,
          },
    },
    remove(daemons, pod),
  ];
}

/** Replaces Pods of other templates: those that do not serve at once, the others as far as the strategy allows. */
function rollOut(daemons: Daemons): readonly WorkloadAction[] {
  const { set, nodes, byNode, hash } = daemons;
  if (set.spec.updateStrategy?.type === "OnDelete") return [];
  const wanted = nodes.filter((node) => isFor(set, node));
  const surge = resolveCount(set.spec.updateStrategy?.rollingUpdate?.maxSurge, wanted.length, "up");
  const isNew = (pod: PodObject): boolean => pod.metadata.labels?.[revisionHashLabel] === hash;
  const serves = (pod: PodObject): boolean =>
    !isTerminating(pod) && isAvailable(pod, set.spec.minReadySeconds ?? 0, daemons.nowMs);
  const places = wanted.map((node) => {
    const pods = (byNode.get(node.metadata.name) ?? []).filter((pod) => !isTerminal(pod));
    const old = pods.find((pod) => !isNew(pod) && !isTerminating(pod));
    return { node: node.metadata.name, pods, old, next: pods.find(isNew) };
  });
  const outdated = places.filter(({ old }) => old !== undefined);
  if (surge > 0) {
    const room = surge - outdated.filter(({ next }) => next !== undefined).length;
    const replaced = outdated.filter(({ next }) => next !== undefined && serves(next));
    const coming = outdated.filter(({ next }) => next === undefined).slice(0, Math.max(0, room));
    return [
      ...replaced.flatMap(({ old }) => (old === undefined ? [] : [remove(daemons, old)])),
      ...coming.map(({ node }) => make(daemons, node)),
    ];
  }
  const allowed = resolveCount(
    set.spec.updateStrategy?.rollingUpdate?.maxUnavailable ?? 1,
    wanted.length,
    "up",
  );
  const missing = places.filter(({ pods }) => !pods.some(serves)).length;
  const idle = outdated.filter(({ pods }) => !pods.some(serves));
  const serving = outdated.filter(({ pods }) => pods.some(serves)).slice(0, Math.max(0, allowed - missing));
  return [...idle, ...serving].flatMap(({ old }) => (old === undefined ? [] : [remove(daemons, old)]));
}

function make(daemons: Daemons, node: string): WorkloadAction {
  const about = { about: daemons.set } as const;
  return {
    kind: "create",
    type: podResource,
    draft: daemonDraft(daemons, node),
    saying: {
      onDone: { ...about, type: "Normal", reason: "SuccessfulCreate", message: "Created pod: {name}" },
      onFailure: { ...about, type: "Warning", reason: "FailedCreate", message: "Error creating: {error}" },
    },
  };
}

function remove({ set }: Daemons, pod: PodObject): WorkloadAction {
  const onDone = {
    about: set,
    type: "Normal",
    reason: "SuccessfulDelete",
    message: "Deleted pod: {name}",
  } as const;
  return { kind: "delete", type: podResource, key: keyOf(pod), uid: pod.metadata.uid, saying: { onDone } };
}

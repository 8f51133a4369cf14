/** A DaemonSet, the nodes, its namespace's Pods and its history → one Pod a node that is for it, and its status. */
import { canonicalJson } from "#core/release/canonical-json.ts";
import type { NodeObject } from "../../model/node.ts";
import { type PodObject, podResource } from "../../model/pod.ts";
import {
  type ControllerRevisionObject,
  type DaemonSetObject,
  daemonSetResource,
  type DaemonSetStatus,
} from "../../model/workload.ts";
import { decideHistory, hashOf, type History, revisionHashLabel } from "../workloads/history.ts";
import { claim } from "../workloads/owned.ts";
import { isAvailable, isReady, isTerminating, nextAvailableMs } from "../workloads/pod-facts.ts";
import {
  type Decision,
  decision,
  keyOf,
  nothing,
  type WorkloadAction,
} from "../workloads/workload-action.ts";
import { changeDaemons } from "./change-daemons.ts";
import { type Daemons, isFor, nodeOf, staysOn } from "./daemon-pod.ts";

/** What is known. */
export interface DaemonSetFacts {
  readonly set: DaemonSetObject;
  readonly nodes: readonly NodeObject[];
  /** Of its namespace. */
  readonly pods: readonly PodObject[];
  /** Of its namespace. */
  readonly revisions: readonly ControllerRevisionObject[];
  readonly nowMs: number;
}

/** Decides. */
export function reconcileDaemonSet(facts: DaemonSetFacts): Decision {
  const { set, nodes, pods, nowMs } = facts;
  const { selector } = set.spec;
  const { owned, actions } = claim(
    { owner: set, ownerType: daemonSetResource, selector, type: podResource },
    pods,
  );
  if (set.metadata.deletionTimestamp !== undefined) return nothing;
  const history = historyOf(facts, owned);
  const daemons: Daemons = {
    set,
    nodes,
    byNode: groupByNode(owned),
    hash: hashOf(set, history.update),
    nowMs,
  };
  return decision(
    [...actions, ...history.actions, ...changeDaemons(daemons), ...changeStatus(daemons)],
    nextAvailableMs(owned, set.spec.minReadySeconds ?? 0, nowMs),
  );
}

function historyOf({ set, revisions }: DaemonSetFacts, owned: readonly PodObject[]): History {
  const inUse = new Set(
    owned.map(({ metadata }) => `${set.metadata.name}-${metadata.labels?.[revisionHashLabel] ?? ""}`),
  );
  return decideHistory({ owner: set, ownerType: daemonSetResource, revisions, inUse });
}

function groupByNode(owned: readonly PodObject[]): ReadonlyMap<string, readonly PodObject[]> {
  const groups = new Map<string, PodObject[]>();
  for (const pod of owned) {
    const node = nodeOf(pod);
    const group = groups.get(node);
    if (group === undefined) groups.set(node, [pod]);
    else group.push(pod);
  }
  return groups;
}

function changeStatus(daemons: Daemons): readonly WorkloadAction[] {
  const { set } = daemons;
  const status = statusOf(daemons);
  if (canonicalJson(set.status ?? {}) === canonicalJson(status)) return [];
  return [{ kind: "status", type: daemonSetResource, key: keyOf(set), status }];
}

function statusOf({ set, nodes, byNode, hash, nowMs }: Daemons): DaemonSetStatus {
  const minReady = set.spec.minReadySeconds ?? 0;
  const { generation } = set.metadata;
  const wanted = nodes.filter((node) => isFor(set, node));
  const running = wanted
    .map((node) => byNode.get(node.metadata.name) ?? [])
    .filter((pods) => pods.length > 0);
  const count = (fits: (pod: PodObject) => boolean): number =>
    running.filter((pods) => pods.some(fits)).length;
  const available = count((pod) => !isTerminating(pod) && isAvailable(pod, minReady, nowMs));
  const misscheduled = nodes.filter(
    (node) => !isFor(set, node) && !staysOn(set, node) && byNode.has(node.metadata.name),
  );
  const unavailable = wanted.length - available;
  return {
    currentNumberScheduled: running.length,
    numberMisscheduled: misscheduled.length,
    desiredNumberScheduled: wanted.length,
    numberReady: count((pod) => !isTerminating(pod) && isReady(pod)),
    ...(generation === undefined ? {} : { observedGeneration: generation }),
    ...optional(
      "updatedNumberScheduled",
      count((pod) => pod.metadata.labels?.[revisionHashLabel] === hash),
    ),
    ...optional("numberAvailable", available),
    ...optional("numberUnavailable", unavailable),
  };
}

function optional(name: string, value: number): Readonly<Record<string, number>> {
  return value === 0 ? {} : { [name]: value };
}

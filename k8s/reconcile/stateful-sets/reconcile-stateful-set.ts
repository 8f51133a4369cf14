/** A StatefulSet, its namespace's Pods and its history → Pods with names that stay, made and replaced in order, and its status. */
import { canonicalJson } from "#core/release/canonical-json.ts";
import { type PodObject, podResource } from "../../model/pod.ts";
import {
  type ControllerRevisionObject,
  type StatefulSetObject,
  statefulSetResource,
} from "../../model/workload.ts";
import { decideHistory, type History, revisionHashLabel } from "../workloads/history.ts";
import { claim } from "../workloads/owned.ts";
import { nextAvailableMs } from "../workloads/pod-facts.ts";
import {
  type Decision,
  decision,
  keyOf,
  nothing,
  type WorkloadAction,
} from "../workloads/workload-action.ts";
import { changeMembers } from "./change-members.ts";
import { ordinalOf } from "./member.ts";
import { statefulSetStatus } from "./stateful-set-status.ts";

/** What is known. */
export interface StatefulSetFacts {
  readonly set: StatefulSetObject;
  /** Of its namespace. */
  readonly pods: readonly PodObject[];
  /** Of its namespace. */
  readonly revisions: readonly ControllerRevisionObject[];
  readonly nowMs: number;
}

/** Decides. */
export function reconcileStatefulSet(facts: StatefulSetFacts): Decision {
  const { set, pods, nowMs } = facts;
  const { selector } = set.spec;
  const claimer = { owner: set, ownerType: statefulSetResource, selector, type: podResource };
  // A Pod of another name is not a member, whatever its labels say.
  const named = pods.filter((pod) => ordinalOf(set, pod) !== undefined);
  const { owned, actions } = claim(claimer, named);
  if (set.metadata.deletionTimestamp !== undefined) return nothing;
  const history = historyOf(facts, owned);
  const current = set.status?.currentRevision ?? history.update;
  const members = { set, owned, history, current, nowMs };
  const status = statefulSetStatus(members);
  const isSame = canonicalJson(set.status ?? {}) === canonicalJson(status);
  const write: WorkloadAction = { kind: "status", type: statefulSetResource, key: keyOf(set), status };
  return decision(
    [...actions, ...history.actions, ...changeMembers(members), ...(isSame ? [] : [write])],
    nextAvailableMs(owned, set.spec.minReadySeconds ?? 0, nowMs),
  );
}

function historyOf({ set, revisions }: StatefulSetFacts, owned: readonly PodObject[]): History {
  const ofPods = owned.map(({ metadata }) => metadata.labels?.[revisionHashLabel] ?? "");
  const { currentRevision = "", updateRevision = "" } = set.status ?? {};
  const inUse = new Set([...ofPods, currentRevision, updateRevision]);
  return decideHistory({ owner: set, ownerType: statefulSetResource, revisions, inUse });
}

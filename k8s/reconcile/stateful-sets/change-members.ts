/** Which Pods of a StatefulSet are made and deleted now: in order and one at a time, unless it says otherwise. */
import { type PodObject, podResource } from "../../model/pod.ts";
import { isAvailable, isTerminal, isTerminating } from "../workloads/pod-facts.ts";
import { podsPerStep } from "../workloads/reconcile-replica-set.ts";
import { keyOf, type WorkloadAction } from "../workloads/workload-action.ts";
import {
  countOf,
  isHealthy,
  isRunning,
  memberDraft,
  type Members,
  ordinalOf,
  partitionOf,
  revisionOf,
  startOf,
} from "./member.ts";

/** Decides. */
export function changeMembers(members: Members): readonly WorkloadAction[] {
  const { set } = members;
  const isOrdered = set.spec.podManagementPolicy !== "Parallel";
  const filled = fill(members, isOrdered);
  if (filled.isWaiting) return filled.actions;
  const shrunk = shrink(members, isOrdered);
  if (shrunk.isWaiting) return [...filled.actions, ...shrunk.actions];
  const actions = [...filled.actions, ...shrunk.actions].slice(0, podsPerStep);
  return actions.length > 0 ? actions : replaceOutdated(members);
}

interface Step {
  readonly actions: readonly WorkloadAction[];
  /** Whether nothing further may be done before something changes. */
  readonly isWaiting: boolean;
}

/** From the lowest number up: what is missing is made, what ended is deleted to be made again. */
function fill(members: Members, isOrdered: boolean): Step {
  const { set, nowMs } = members;
  const byOrdinal = membersByOrdinal(members);
  const actions: WorkloadAction[] = [];
  for (let ordinal = startOf(set); ordinal < startOf(set) + countOf(set); ordinal++) {
    const pod = byOrdinal.get(ordinal);
    if (pod === undefined) actions.push(make(members, ordinal));
    else if (isTerminal(pod) && !isTerminating(pod)) actions.push(remove(members, pod));
    const isThere =
      pod !== undefined && isHealthy(pod) && isAvailable(pod, set.spec.minReadySeconds ?? 0, nowMs);
    if (isOrdered && !isThere) return { actions, isWaiting: true };
  }
  return { actions, isWaiting: false };
}

/** From the highest number down: what is beyond those wished for goes. */
function shrink(members: Members, isOrdered: boolean): Step {
  const { set } = members;
  const first = startOf(set);
  const beyond = [...membersByOrdinal(members)]
    .filter(([ordinal]) => ordinal < first || ordinal >= first + countOf(set))
    .sort(([a], [b]) => b - a)
    .map(([, pod]) => pod);
  if (!isOrdered) {
    const going = beyond.filter((pod) => !isTerminating(pod)).map((pod) => remove(members, pod));
    return { actions: going, isWaiting: false };
  }
  const [next] = beyond;
  if (next === undefined) return { actions: [], isWaiting: false };
  if (isTerminating(next)) return { actions: [], isWaiting: true };
  // One that is unwell may be deleted only when it is itself the first that is unwell.
  const firstUnwell = beyond.toReversed().find((pod) => !isHealthy(pod));
  const mayGo = isRunning(next) || firstUnwell === next;
  return { actions: mayGo ? [remove(members, next)] : [], isWaiting: true };
}

/** One at a time from the highest number: a Pod of another template goes, once those above it are well. */
function replaceOutdated(members: Members): readonly WorkloadAction[] {
  const { set, history } = members;
  if (set.spec.updateStrategy?.type === "OnDelete") return [];
  const byOrdinal = membersByOrdinal(members);
  const lowest = startOf(set) + partitionOf(set);
  for (let ordinal = startOf(set) + countOf(set) - 1; ordinal >= lowest; ordinal--) {
    const pod = byOrdinal.get(ordinal);
    if (pod === undefined) return [];
    if (revisionOf(pod) !== history.update && !isTerminating(pod)) return [remove(members, pod)];
    if (!isHealthy(pod)) return [];
  }
  return [];
}

function membersByOrdinal({ set, owned }: Members): ReadonlyMap<number, PodObject> {
  const found = new Map<number, PodObject>();
  for (const pod of owned) {
    const ordinal = ordinalOf(set, pod);
    if (ordinal !== undefined) found.set(ordinal, pod);
  }
  return found;
}

function make(members: Members, ordinal: number): WorkloadAction {
  const { set } = members;
  const name = `${set.metadata.name}-${ordinal}`;
  const about = { about: set } as const;
  const what = `Create Pod ${name} in StatefulSet ${set.metadata.name}`;
  return {
    kind: "create",
    type: podResource,
    draft: memberDraft(members, ordinal),
    saying: {
      onDone: { ...about, type: "Normal", reason: "SuccessfulCreate", message: `${what} successful` },
      onFailure: {
        ...about,
        type: "Warning",
        reason: "FailedCreate",
        message: `${what} failed error: {error}`,
      },
    },
  };
}

function remove({ set }: Members, pod: PodObject): WorkloadAction {
  const about = { about: set } as const;
  const what = `Delete Pod ${pod.metadata.name} in StatefulSet ${set.metadata.name}`;
  return {
    kind: "delete",
    type: podResource,
    key: keyOf(pod),
    uid: pod.metadata.uid,
    saying: {
      onDone: { ...about, type: "Normal", reason: "SuccessfulDelete", message: `${what} successful` },
      onFailure: {
        ...about,
        type: "Warning",
        reason: "FailedDelete",
        message: `${what} failed error: {error}`,
      },
    },
  };
}

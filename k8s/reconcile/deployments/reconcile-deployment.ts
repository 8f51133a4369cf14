/** A Deployment, its namespace's ReplicaSets and their Pods → ReplicaSets to make, scale and drop, and its status. */
import { canonicalJson } from "#core/release/canonical-json.ts";
import { timestamp } from "../../api/write-context.ts";
import type { PodObject } from "../../model/pod.ts";
import {
  type DeploymentObject,
  deploymentResource,
  type DeploymentStatus,
  type ReplicaSetObject,
  replicaSetResource,
} from "../../model/workload.ts";
import { claim, controllerOf } from "../workloads/owned.ts";
import { isTerminal } from "../workloads/pod-facts.ts";
import {
  type Decision,
  decision,
  keyOf,
  nothing,
  type WorkloadAction,
} from "../workloads/workload-action.ts";
import { withCondition } from "../workloads/workload-conditions.ts";
import { deploymentStatus } from "./deployment-status.ts";
import { type DeploymentSets, isComplete, lateInMs } from "./rollout-conditions.ts";
import { isRolling } from "./replica-counts.ts";
import {
  desiredAnnotation,
  findNewSet,
  newRevision,
  newSetAnnotations,
  newSetDraft,
  revisionAnnotation,
  revisionOf,
} from "./revisions.ts";
import { scaleForRollout, scaleInProportion, type Scaling, scalingAction } from "./scale-sets.ts";

/** What is known. */
export interface DeploymentFacts {
  readonly deployment: DeploymentObject;
  /** Of its namespace. */
  readonly sets: readonly ReplicaSetObject[];
  /** Of its namespace. */
  readonly pods: readonly PodObject[];
  readonly nowMs: number;
}

/** Decides. */
export function reconcileDeployment(facts: DeploymentFacts): Decision {
  const { deployment, nowMs } = facts;
  const { owned, actions } = claim(
    {
      owner: deployment,
      ownerType: deploymentResource,
      selector: deployment.spec.selector,
      type: replicaSetResource,
    },
    facts.sets,
  );
  if (deployment.metadata.deletionTimestamp !== undefined) return nothing;
  // What is taken in or let go comes back as a change; deciding on half of it would be premature.
  if (actions.length > 0) return decision(actions);
  const newSet = findNewSet(deployment, owned);
  const sets: DeploymentSets = { deployment, newSet, old: owned.filter((set) => set !== newSet), nowMs };
  const status = deploymentStatus(sets);
  const changes = changeSets(sets, status, facts);
  return decision(
    [...changes.actions, ...changeStatus(deployment, changes.status ?? status)],
    lateInMs(sets, status),
  );
}

interface Changes {
  readonly actions: readonly WorkloadAction[];
  /** Instead of the one that was observed. */
  readonly status?: DeploymentStatus;
}

function changeSets(sets: DeploymentSets, status: DeploymentStatus, facts: DeploymentFacts): Changes {
  const { deployment, newSet, old } = sets;
  if (deployment.spec.paused === true || wasScaled(sets)) {
    return { actions: [...scaled(sets, scaleInProportion(sets)), ...dropOldSets(sets, status)] };
  }
  if (!isRolling(deployment)) {
    const stopping = old.filter(({ spec }) => (spec.replicas ?? 1) > 0).map((set) => ({ set, replicas: 0 }));
    if (stopping.length > 0) return { actions: scaled(sets, stopping) };
    if (runsOld(old, facts.pods)) return { actions: [] };
  }
  if (newSet === undefined) return makeNewSet(sets, status, facts.sets);
  const numbering = renumber(sets, newSet);
  const scaling = scaled(sets, scaleForRollout(sets, newSet));
  return { actions: [...numbering, ...scaling, ...dropOldSets(sets, status)] };
}

/** The name may be taken by another template of the same hash: then it is tried again with another name. */
function makeNewSet(
  sets: DeploymentSets,
  status: DeploymentStatus,
  others: readonly ReplicaSetObject[],
): Changes {
  const { deployment, old, nowMs } = sets;
  const draft = newSetDraft(deployment, old);
  const { name = "" } = draft.metadata;
  const isTaken = others.some(({ metadata }) => metadata.name === name);
  if (isTaken)
    return { actions: [], status: { ...status, collisionCount: (status.collisionCount ?? 0) + 1 } };
  const now = timestamp(nowMs);
  const conditions =
    deployment.spec.progressDeadlineSeconds === undefined
      ? (status.conditions ?? [])
      : withCondition(status.conditions ?? [], {
          type: "Progressing",
          status: "True",
          lastUpdateTime: now,
          lastTransitionTime: now,
          reason: "NewReplicaSetCreated",
          message: `Created new replica set "${name}"`,
        });
  const replicas = draft.spec.replicas ?? 0;
  const message = `Scaled up replica set {name} from 0 to ${replicas}`;
  const onDone = { about: deployment, type: "Normal", reason: "ScalingReplicaSet", message } as const;
  const create: WorkloadAction = {
    kind: "create",
    type: replicaSetResource,
    draft,
    saying: replicas > 0 ? { onDone } : {},
  };
  const revision = draft.metadata.annotations?.[revisionAnnotation] ?? "1";
  return { actions: [create, ...numberDeployment(deployment, revision)], status: { ...status, conditions } };
}

/** A template that came back is the newest again, whatever its number was. */
function renumber({ deployment, old }: DeploymentSets, newSet: ReplicaSetObject): readonly WorkloadAction[] {
  const revision = newRevision(newSet, old);
  const annotations = newSetAnnotations(deployment, newSet, revision);
  const minReadySeconds = deployment.spec.minReadySeconds ?? 0;
  const isSame =
    canonicalJson(annotations) === canonicalJson(newSet.metadata.annotations ?? {}) &&
    (newSet.spec.minReadySeconds ?? 0) === minReadySeconds;
  const value = { metadata: { annotations }, spec: { minReadySeconds } };
  const patch: WorkloadAction = { kind: "patch", type: replicaSetResource, key: keyOf(newSet), value };
  return [...(isSame ? [] : [patch]), ...numberDeployment(deployment, String(revision))];
}

function numberDeployment(deployment: DeploymentObject, revision: string): readonly WorkloadAction[] {
  if (deployment.metadata.annotations?.[revisionAnnotation] === revision) return [];
  const value = { metadata: { annotations: { [revisionAnnotation]: revision } } };
  return [{ kind: "patch", type: deploymentResource, key: keyOf(deployment), value }];
}

/** Whether the number of Pods was changed since its ReplicaSets were last scaled. */
function wasScaled({ deployment, newSet, old }: DeploymentSets): boolean {
  const active = [...old, ...(newSet === undefined ? [] : [newSet])].filter(
    ({ spec }) => (spec.replicas ?? 1) > 0,
  );
  // Where old Pods all go before new ones come there is nothing to keep in proportion.
  if (!isRolling(deployment) && active.length > 1) return false;
  return active.some(({ metadata }) => {
    const desired = metadata.annotations?.[desiredAnnotation];
    return desired !== undefined && desired !== String(deployment.spec.replicas ?? 1);
  });
}

function scaled({ deployment }: DeploymentSets, scalings: readonly Scaling[]): readonly WorkloadAction[] {
  return scalings.flatMap((scaling) => scalingAction(deployment, scaling));
}

/** Recreate: nothing new starts beside what is still there, be it ending already. */
function runsOld(old: readonly ReplicaSetObject[], pods: readonly PodObject[]): boolean {
  const uids = new Set(old.map(({ metadata }) => metadata.uid));
  return pods.some((pod) => !isTerminal(pod) && uids.has(controllerOf(pod)?.uid ?? ""));
}

/** Old templates beyond those kept go, once they have no Pods and the rollout is over. */
function dropOldSets(sets: DeploymentSets, status: DeploymentStatus): readonly WorkloadAction[] {
  const limit = sets.deployment.spec.revisionHistoryLimit ?? 10;
  const idle = sets.old.filter(
    ({ metadata, spec, status: own }) =>
      metadata.deletionTimestamp === undefined &&
      spec.replicas === 0 &&
      (own?.replicas ?? 0) === 0 &&
      (own?.observedGeneration ?? 0) >= (metadata.generation ?? 0),
  );
  const isOver = sets.deployment.spec.paused === true || isComplete(sets, status);
  if (!isOver || idle.length <= limit) return [];
  return [...idle]
    .sort((a, b) => revisionOf(a) - revisionOf(b))
    .slice(0, idle.length - limit)
    .map((set) => ({ kind: "delete", type: replicaSetResource, key: keyOf(set), uid: set.metadata.uid }));
}

function changeStatus(deployment: DeploymentObject, status: DeploymentStatus): readonly WorkloadAction[] {
  if (canonicalJson(deployment.status ?? {}) === canonicalJson(status)) return [];
  return [{ kind: "status", type: deploymentResource, key: keyOf(deployment), status }];
}

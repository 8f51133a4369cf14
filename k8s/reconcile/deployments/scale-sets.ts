/** How many Pods each of a Deployment's ReplicaSets is to have next: in a rollout, or in proportion when it was scaled meanwhile. */
import { canonicalJson } from "#core/release/canonical-json.ts";
import { type DeploymentObject, replicaSetResource, type ReplicaSetObject } from "../../model/workload.ts";
import { keyOf, type WorkloadAction } from "../workloads/workload-action.ts";
import type { DeploymentSets } from "./rollout-conditions.ts";
import {
  isRolling,
  maxSurge,
  maxUnavailable,
  newReplicas,
  specReplicas,
  sumOf,
  wantedOf,
} from "./replica-counts.ts";
import { byAge, maxAnnotation, sizeAnnotations } from "./revisions.ts";

/** A ReplicaSet and how many Pods it is to have. */
export interface Scaling {
  readonly set: ReplicaSetObject;
  readonly replicas: number;
}

/** The next step of a rollout: more of the new first, fewer of the old only when none of that was needed. */
export function scaleForRollout(sets: DeploymentSets, newSet: ReplicaSetObject): readonly Scaling[] {
  const { deployment, old } = sets;
  const wanted = wantedOf(deployment);
  const current = specReplicas(newSet);
  const next = current > wanted ? wanted : newReplicas(deployment, [...old, newSet], current);
  if (next !== current) return [{ set: newSet, replicas: next }];
  const shrunk = isRolling(deployment) ? shrinkOld(sets, newSet) : [];
  return shrunk.length > 0 ? shrunk : [{ set: newSet, replicas: current }];
}

/** When the Deployment was scaled, or is paused: nothing moves between templates, but the number changes. */
export function scaleInProportion(sets: DeploymentSets): readonly Scaling[] {
  const { deployment, newSet, old } = sets;
  const active = [...old, ...(newSet === undefined ? [] : [newSet])].filter((set) => specReplicas(set) > 0);
  if (active.length <= 1) {
    const only = active[0] ?? newSet ?? [...old].sort(byAge).at(-1);
    return only === undefined ? [] : [{ set: only, replicas: wantedOf(deployment) }];
  }
  if (isFull(sets)) return old.filter((set) => specReplicas(set) > 0).map((set) => ({ set, replicas: 0 }));
  return isRolling(deployment) ? spread(deployment, active) : [];
}

/** Whether the newest template has all its Pods already. */
function isFull({ deployment, newSet }: DeploymentSets): boolean {
  if (newSet === undefined) return false;
  const wanted = wantedOf(deployment);
  return specReplicas(newSet) === wanted && (newSet.status?.availableReplicas ?? 0) === wanted;
}

/** Each gets its share of what is added or taken; what rounding leaves over goes to the largest. */
function spread(deployment: DeploymentObject, active: readonly ReplicaSetObject[]): readonly Scaling[] {
  const wanted = wantedOf(deployment);
  const allowed = wanted > 0 ? wanted + maxSurge(deployment) : 0;
  const total = sumOf(active, specReplicas);
  const change = allowed - total;
  const isYoungFirst = change > 0;
  const ordered = [...active].sort(
    (a, b) => specReplicas(b) - specReplicas(a) || (isYoungFirst ? byAge(b, a) : byAge(a, b)),
  );
  let left = change;
  const shares = ordered.map((set) => {
    const share = left === 0 ? 0 : clamp(shareOf(set, allowed, wanted), left);
    left -= share;
    return { set, replicas: specReplicas(set) + share };
  });
  return shares.map(({ set, replicas }, index) => ({
    set,
    replicas: Math.max(0, index === 0 ? replicas + left : replicas),
  }));
}

/** What the ReplicaSet had of all Pods before, it shall have of those that are allowed now. */
function shareOf(set: ReplicaSetObject, allowed: number, wanted: number): number {
  const before = Number(set.metadata.annotations?.[maxAnnotation] ?? 0) || wanted;
  return Math.round((specReplicas(set) * allowed) / before) - specReplicas(set);
}

function clamp(share: number, left: number): number {
  return left > 0 ? Math.min(Math.max(share, 0), left) : Math.max(Math.min(share, 0), left);
}

function shrinkOld({ deployment, old }: DeploymentSets, newSet: ReplicaSetObject): readonly Scaling[] {
  const all = [...old, newSet];
  const minAvailable = wantedOf(deployment) - maxUnavailable(deployment);
  const newUnavailable = specReplicas(newSet) - (newSet.status?.availableReplicas ?? 0);
  const spare = sumOf(all, specReplicas) - minAvailable - newUnavailable;
  if (spare <= 0) return [];
  const left = new Map(old.map((set) => [set, specReplicas(set)]));
  const take = (set: ReplicaSetObject, count: number): number => {
    left.set(set, (left.get(set) ?? 0) - count);
    return count;
  };
  const ordered = [...old].filter((set) => specReplicas(set) > 0).sort(byAge);
  let broken = spare;
  // Those that do not serve go first: nobody misses them.
  for (const set of ordered) {
    const idle = specReplicas(set) - (set.status?.availableReplicas ?? 0);
    broken -= take(set, Math.min(broken, Math.max(0, idle)));
  }
  let extra = sumOf(all, ({ status }) => status?.availableReplicas) - minAvailable;
  for (const set of ordered) extra -= take(set, Math.min(Math.max(0, extra), left.get(set) ?? 0));
  return ordered.flatMap((set) => {
    const replicas = left.get(set) ?? 0;
    return replicas === specReplicas(set) ? [] : [{ set, replicas }];
  });
}

/** Writes a ReplicaSet's size and what it was decided by; nothing when both are so already. */
export function scalingAction(
  deployment: DeploymentObject,
  { set, replicas }: Scaling,
): readonly WorkloadAction[] {
  const before = specReplicas(set);
  const annotations = { ...set.metadata.annotations, ...sizeAnnotations(deployment) };
  const isSame =
    before === replicas && canonicalJson(annotations) === canonicalJson(set.metadata.annotations ?? {});
  if (isSame) return [];
  const direction = replicas > before ? "up" : "down";
  const message = `Scaled ${direction} replica set ${set.metadata.name} from ${before} to ${replicas}`;
  const onDone = { about: deployment, type: "Normal", reason: "ScalingReplicaSet", message } as const;
  return [
    {
      kind: "patch",
      type: replicaSetResource,
      key: keyOf(set),
      value: { metadata: { annotations: sizeAnnotations(deployment) }, spec: { replicas } },
      ...(before === replicas ? {} : { saying: { onDone } }),
    },
  ];
}

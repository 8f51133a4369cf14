/** A Deployment's status as its ReplicaSets make it: how many Pods there are, and whether they are enough. */
import type { DeploymentObject, DeploymentStatus, ReplicaSetObject } from "../../model/workload.ts";
import { withCondition } from "../workloads/workload-conditions.ts";
import { maxUnavailable, specReplicas, sumOf, wantedOf } from "./replica-counts.ts";
import { dated, type DeploymentSets, rolloutConditions } from "./rollout-conditions.ts";

/** The status. */
export function deploymentStatus(sets: DeploymentSets): DeploymentStatus {
  const counted = countStatus(sets);
  return { ...counted, conditions: rolloutConditions(sets, counted) };
}

function countStatus({ deployment, newSet, old, nowMs }: DeploymentSets): DeploymentStatus {
  const all = newSet === undefined ? old : [...old, newSet];
  const available = sumOf(all, ({ status }) => status?.availableReplicas);
  const counts = {
    replicas: sumOf(all, ({ status }) => status?.replicas),
    updatedReplicas: newSet?.status?.replicas ?? 0,
    readyReplicas: sumOf(all, ({ status }) => status?.readyReplicas),
    availableReplicas: available,
    unavailableReplicas: Math.max(0, sumOf(all, specReplicas) - available),
  };
  const { generation } = deployment.metadata;
  const { collisionCount } = deployment.status ?? {};
  return {
    ...(generation === undefined ? {} : { observedGeneration: generation }),
    ...Object.fromEntries(Object.entries(counts).filter(([, count]) => count > 0)),
    terminatingReplicas: terminatingOf(all),
    ...(collisionCount === undefined ? {} : { collisionCount }),
    conditions: withCondition(
      deployment.status?.conditions ?? [],
      availability(deployment, available, nowMs),
    ),
  };
}

function availability(
  deployment: DeploymentObject,
  available: number,
  nowMs: number,
): ReturnType<typeof dated> {
  const isAvailable = available >= wantedOf(deployment) - maxUnavailable(deployment);
  return dated(nowMs, {
    type: "Available",
    status: isAvailable ? "True" : "False",
    reason: isAvailable ? "MinimumReplicasAvailable" : "MinimumReplicasUnavailable",
    message: `Deployment ${isAvailable ? "has" : "does not have"} minimum availability.`,
  });
}

function terminatingOf(sets: readonly ReplicaSetObject[]): number {
  return sumOf(sets, ({ status }) => status?.terminatingReplicas);
}

/** A StatefulSet's status as its Pods make it. */
import type { PodObject } from "../../model/pod.ts";
import type { StatefulSetStatus } from "../../model/workload.ts";
import { isAvailable, isTerminating } from "../workloads/pod-facts.ts";
import { isRunning, type Members, revisionOf } from "./member.ts";

/** The status. */
export function statefulSetStatus({ set, owned, history, current, nowMs }: Members): StatefulSetStatus {
  const { generation } = set.metadata;
  const minReady = set.spec.minReadySeconds ?? 0;
  const count = (fits: (pod: PodObject) => boolean): number => owned.filter(fits).length;
  const staysOf = (revision: string): number =>
    count((pod) => !isTerminating(pod) && revisionOf(pod) === revision);
  const ready = count(isRunning);
  const updated = staysOf(history.update);
  // Once every Pod is of the new template and ready, that is the one there is.
  const isRolled =
    set.spec.updateStrategy?.type !== "OnDelete" && updated === owned.length && ready === owned.length;
  const counts = {
    readyReplicas: ready,
    currentReplicas: isRolled ? updated : staysOf(current),
    updatedReplicas: updated,
  };
  return {
    ...(generation === undefined ? {} : { observedGeneration: generation }),
    replicas: owned.length,
    ...Object.fromEntries(Object.entries(counts).filter(([, value]) => value > 0)),
    availableReplicas: count((pod) => isRunning(pod) && isAvailable(pod, minReady, nowMs)),
    currentRevision: isRolled ? history.update : current,
    updateRevision: history.update,
    collisionCount: set.status?.collisionCount ?? 0,
  };
}

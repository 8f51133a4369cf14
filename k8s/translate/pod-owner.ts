/** What a Pod belongs to, as telemetry names it: the Deployment behind its ReplicaSet, the CronJob behind its Job, or itself. */
import { WorkloadType } from "#core/proto/istio/workload_pb.js";
import type { PodObject } from "../model/pod.ts";

/** An owner's name and kind, of the kinds that the mesh's messages know. */
export interface PodOwner {
  readonly name: string;
  readonly type: WorkloadType;
}

/** Describes it from the Pod alone: owners' owners are told by their names. */
export function describeOwner({ metadata }: PodObject): PodOwner {
  const owner = (metadata.ownerReferences ?? []).find(({ controller }) => controller === true);
  if (owner === undefined) return { name: metadata.name, type: WorkloadType.POD };
  if (owner.kind === "ReplicaSet") {
    const suffix = `-${metadata.labels?.["pod-template-hash"] ?? ""}`;
    return owner.name.endsWith(suffix) && suffix !== "-"
      ? { name: owner.name.slice(0, -suffix.length), type: WorkloadType.DEPLOYMENT }
      : { name: owner.name, type: WorkloadType.POD };
  }
  if (owner.kind === "Job") {
    // A CronJob names its Jobs by the time, in minutes.
    const [, cron] = /^(.+)-\d{8,10}$/.exec(owner.name) ?? [];
    return cron === undefined
      ? { name: owner.name, type: WorkloadType.JOB }
      : { name: cron, type: WorkloadType.CRONJOB };
  }
  return { name: owner.name, type: WorkloadType.POD };
}

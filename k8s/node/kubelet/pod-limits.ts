/** What ends a Pod from without: its deadline, and wishes that this node does not grant. Pure. */
import type { PodObject } from "../../model/pod.ts";

/** Why the node gives a Pod up. */
export interface PodFailure {
  readonly reason: string;
  readonly message: string;
}

/** When it has run long enough. */
export function findDeadline({ spec, status }: PodObject, startedAtMs: number): number | undefined {
  if (spec.activeDeadlineSeconds === undefined) return undefined;
  const startMs = status?.startTime === undefined ? startedAtMs : Date.parse(status.startTime);
  return startMs + spec.activeDeadlineSeconds * 1000;
}

/** Whether its phase is one that no Pod leaves. */
export function isFinished({ status }: PodObject): boolean {
  return status?.phase === "Succeeded" || status?.phase === "Failed";
}

/** Wishes that would open the machine to a Pod, or that this node cannot fulfil. */
export function refusalOf({ spec }: PodObject): PodFailure | undefined {
  const refused: readonly (readonly [boolean | undefined, string])[] = [
    [spec.hostPID, "hostPID: the machine's processes are not shown to Pods"],
    [spec.hostIPC, "hostIPC: the machine's memory is not shared with Pods"],
    [spec.shareProcessNamespace, "shareProcessNamespace: each container has processes of its own"],
    [
      (spec.securityContext?.sysctls ?? []).length > 0,
      "securityContext.sysctls: the node sets none for Pods",
    ],
  ];
  const found = refused.find(([isAsked]) => isAsked === true);
  if (found === undefined) return undefined;
  return { reason: "NodeAdmission", message: `Pod was rejected: this node does not offer ${found[1]}` };
}

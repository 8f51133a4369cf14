/** One Pod of a StatefulSet: its number, its name, what it is made of, and how it stands. */
import type { Draft } from "#host/kube/object.ts";
import type { PodObject } from "../../model/pod.ts";
import { type PodTemplate, type StatefulSetObject, statefulSetResource } from "../../model/workload.ts";
import { type History, revisionHashLabel } from "../workloads/history.ts";
import { isReady, isTerminating } from "../workloads/pod-facts.ts";
import { podFromTemplate } from "../workloads/pod-from-template.ts";

/** A StatefulSet with its Pods and templates. */
export interface Members {
  readonly set: StatefulSetObject;
  readonly owned: readonly PodObject[];
  readonly history: History;
  /** Name of the revision that a rollout replaces. */
  readonly current: string;
  readonly nowMs: number;
}

/** The number in a Pod's name; undefined when it is no name of the set's. */
export function ordinalOf({ metadata }: StatefulSetObject, pod: PodObject): number | undefined {
  const { name } = pod.metadata;
  const prefix = `${metadata.name}-`;
  const digits = name.startsWith(prefix) ? name.slice(prefix.length) : "";
  return /^(0|[1-9]\d*)$/.test(digits) ? Number(digits) : undefined;
}

/** The first number. */
export function startOf({ spec }: StatefulSetObject): number {
  return spec.ordinals?.start ?? 0;
}

/** How many are wished for. */
export function countOf({ spec }: StatefulSetObject): number {
  return spec.replicas ?? 1;
}

/** Numbers below it keep the revision that a rollout replaces. */
export function partitionOf({ spec }: StatefulSetObject): number {
  return spec.updateStrategy?.rollingUpdate?.partition ?? 0;
}

/** Which template a Pod is of. */
export function revisionOf({ metadata }: PodObject): string {
  return metadata.labels?.[revisionHashLabel] ?? "";
}

/** Whether it runs and is ready. */
export function isRunning(pod: PodObject): boolean {
  return pod.status?.phase === "Running" && isReady(pod);
}

/** Whether it runs, is ready and stays. */
export function isHealthy(pod: PodObject): boolean {
  return isRunning(pod) && !isTerminating(pod);
}

/** The Pod of a number, of the template that it is to have now. */
export function memberDraft({ set, history, current }: Members, ordinal: number): Draft<PodObject> {
  const isKept = set.spec.updateStrategy?.type !== "OnDelete" && ordinal < startOf(set) + partitionOf(set);
  const wanted = isKept ? current : history.update;
  const kept: PodTemplate | undefined = history.templates.get(wanted);
  const revision = kept === undefined ? history.update : wanted;
  const template = kept ?? set.spec.template;
  const name = `${set.metadata.name}-${ordinal}`;
  return podFromTemplate(
    template,
    { type: statefulSetResource, object: set },
    {
      name,
      labels: {
        "statefulset.kubernetes.io/pod-name": name,
        "apps.kubernetes.io/pod-index": String(ordinal),
        [revisionHashLabel]: revision,
      },
      spec: {
        hostname: name,
        ...((set.spec.serviceName ?? "") === "" ? {} : { subdomain: set.spec.serviceName ?? "" }),
      },
    },
  );
}

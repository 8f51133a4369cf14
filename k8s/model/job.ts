/** The batch/v1 Job as its controller reads and writes it. */
import type { KubeObject, NamespacedMeta, ResourceType } from "#host/kube/object.ts";
import type { LabelSelectorSpec } from "./selector.ts";
import type { PodTemplate, WorkloadCondition } from "./workload.ts";

/** Work that ends. */
export interface JobObject extends KubeObject {
  readonly metadata: NamespacedMeta;
  readonly spec: {
    readonly parallelism?: number;
    /** Absent: one success ends it, once all Pods are done. */
    readonly completions?: number;
    readonly completionMode?: "NonIndexed" | "Indexed";
    readonly backoffLimit?: number;
    readonly activeDeadlineSeconds?: number;
    readonly ttlSecondsAfterFinished?: number;
    readonly suspend?: boolean;
    readonly podReplacementPolicy?: "TerminatingOrFailed" | "Failed";
    readonly selector?: LabelSelectorSpec;
    readonly template: PodTemplate;
  };
  readonly status?: JobStatus;
}

/** What became of a Job. */
export interface JobStatus {
  readonly conditions?: readonly WorkloadCondition[];
  readonly startTime?: string;
  readonly completionTime?: string;
  readonly active?: number;
  readonly ready?: number;
  readonly terminating?: number;
  readonly succeeded?: number;
  readonly failed?: number;
  readonly completedIndexes?: string;
  /** Uids of Pods that ended and are not in the counts yet. */
  readonly uncountedTerminatedPods?: {
    readonly succeeded?: readonly string[];
    readonly failed?: readonly string[];
  };
}

/** batch/v1 Job. */
export const jobResource: ResourceType<JobObject> = {
  group: "batch",
  version: "v1",
  resource: "jobs",
  kind: "Job",
  namespaced: true,
};

/** The apps/v1 kinds that make Pods, as their controllers read and write them. Jobs stand in job.ts. */
import type { KubeObject, NamespacedMeta, ResourceType } from "#host/kube/object.ts";
import type { PodSpec } from "./pod.ts";
import type { LabelSelectorSpec } from "./selector.ts";

/** What Pods are made of. */
export interface PodTemplate {
  readonly metadata?: {
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
    readonly finalizers?: readonly string[];
  };
  readonly spec: PodSpec;
}

/** One observation of a workload. */
export interface WorkloadCondition {
  readonly type: string;
  readonly status: "True" | "False" | "Unknown";
  readonly reason?: string;
  readonly message?: string;
  readonly lastTransitionTime?: string;
  /** Deployments only. */
  readonly lastUpdateTime?: string;
  /** Jobs only. */
  readonly lastProbeTime?: string;
}

/** A number, or a share of all such as `25%`. */
export type CountOrShare = number | string;

/** A ReplicaSet. */
export interface ReplicaSetObject extends KubeObject {
  readonly metadata: NamespacedMeta;
  readonly spec: {
    readonly replicas?: number;
    readonly minReadySeconds?: number;
    readonly selector: LabelSelectorSpec;
    readonly template: PodTemplate;
  };
  readonly status?: ReplicaSetStatus;
}

/** What became of a ReplicaSet. */
export interface ReplicaSetStatus {
  readonly replicas: number;
  readonly fullyLabeledReplicas?: number;
  readonly readyReplicas?: number;
  readonly availableReplicas?: number;
  readonly terminatingReplicas?: number;
  readonly observedGeneration?: number;
  readonly conditions?: readonly WorkloadCondition[];
}

/** A Deployment. */
export interface DeploymentObject extends KubeObject {
  readonly metadata: NamespacedMeta;
  readonly spec: {
    readonly replicas?: number;
    readonly minReadySeconds?: number;
    readonly revisionHistoryLimit?: number;
    readonly progressDeadlineSeconds?: number;
    readonly paused?: boolean;
    readonly selector: LabelSelectorSpec;
    readonly template: PodTemplate;
    readonly strategy?: {
      readonly type?: "RollingUpdate" | "Recreate";
      readonly rollingUpdate?: {
        readonly maxSurge?: CountOrShare;
        readonly maxUnavailable?: CountOrShare;
      };
    };
  };
  readonly status?: DeploymentStatus;
}

/** What became of a Deployment. */
export interface DeploymentStatus {
  readonly observedGeneration?: number;
  readonly replicas?: number;
  readonly updatedReplicas?: number;
  readonly readyReplicas?: number;
  readonly availableReplicas?: number;
  readonly unavailableReplicas?: number;
  readonly terminatingReplicas?: number;
  readonly collisionCount?: number;
  readonly conditions?: readonly WorkloadCondition[];
}

/** A StatefulSet. */
export interface StatefulSetObject extends KubeObject {
  readonly metadata: NamespacedMeta;
  readonly spec: {
    readonly replicas?: number;
    readonly minReadySeconds?: number;
    readonly revisionHistoryLimit?: number;
    readonly serviceName?: string;
    readonly podManagementPolicy?: "OrderedReady" | "Parallel";
    readonly ordinals?: { readonly start?: number };
    readonly selector: LabelSelectorSpec;
    readonly template: PodTemplate;
    readonly volumeClaimTemplates?: readonly unknown[];
    readonly updateStrategy?: {
      readonly type?: "RollingUpdate" | "OnDelete";
      readonly rollingUpdate?: { readonly partition?: number };
    };
  };
  readonly status?: StatefulSetStatus;
}

/** What became of a StatefulSet. */
export interface StatefulSetStatus {
  readonly observedGeneration?: number;
  readonly replicas: number;
  readonly readyReplicas?: number;
  readonly availableReplicas: number;
  readonly currentReplicas?: number;
  readonly updatedReplicas?: number;
  readonly currentRevision?: string;
  readonly updateRevision?: string;
  readonly collisionCount?: number;
}

/** A DaemonSet. */
export interface DaemonSetObject extends KubeObject {
  readonly metadata: NamespacedMeta;
  readonly spec: {
    readonly minReadySeconds?: number;
    readonly revisionHistoryLimit?: number;
    readonly selector: LabelSelectorSpec;
    readonly template: PodTemplate;
    readonly updateStrategy?: {
      readonly type?: "RollingUpdate" | "OnDelete";
      readonly rollingUpdate?: {
        readonly maxSurge?: CountOrShare;
        readonly maxUnavailable?: CountOrShare;
      };
    };
  };
  readonly status?: DaemonSetStatus;
}

/** What became of a DaemonSet. */
export interface DaemonSetStatus {
  readonly currentNumberScheduled: number;
  readonly numberMisscheduled: number;
  readonly desiredNumberScheduled: number;
  readonly numberReady: number;
  readonly observedGeneration?: number;
  readonly updatedNumberScheduled?: number;
  readonly numberAvailable?: number;
  readonly numberUnavailable?: number;
}

/** A template that a StatefulSet or DaemonSet had at a time; never changes but for its number. */
export interface ControllerRevisionObject extends KubeObject {
  readonly metadata: NamespacedMeta;
  /** What a strategic merge patch makes the owner's template of. */
  readonly data: { readonly spec: { readonly template: object } };
  readonly revision: number;
}

function apps<Kind extends KubeObject>(resource: string, kind: string): ResourceType<Kind> {
  return { group: "apps", version: "v1", resource, kind, namespaced: true };
}

/** apps/v1 ReplicaSet. */
export const replicaSetResource: ResourceType<ReplicaSetObject> = apps("replicasets", "ReplicaSet");
/** apps/v1 Deployment. */
export const deploymentResource: ResourceType<DeploymentObject> = apps("deployments", "Deployment");
/** apps/v1 StatefulSet. */
export const statefulSetResource: ResourceType<StatefulSetObject> = apps("statefulsets", "StatefulSet");
/** apps/v1 DaemonSet. */
export const daemonSetResource: ResourceType<DaemonSetObject> = apps("daemonsets", "DaemonSet");
/** apps/v1 ControllerRevision. */
export const controllerRevisionResource: ResourceType<ControllerRevisionObject> = apps(
  "controllerrevisions",
  "ControllerRevision",
);

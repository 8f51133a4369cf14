/** The v1 Pod as our programs read and write it: every field that they know, in the API's own words. What its containers hold stands in container.ts. */
import type { KubeObject, NamespacedMeta, ResourceType } from "#host/kube/object.ts";
import type { Container, PodSecurityContext } from "./container.ts";
import type { Volume } from "./volume.ts";

/** A Pod. */
export interface PodObject extends KubeObject {
  readonly metadata: NamespacedMeta;
  readonly spec: PodSpec;
  readonly status?: PodStatus;
}

/** What a Pod is to be. */
export interface PodSpec {
  readonly nodeName?: string;
  readonly schedulerName?: string;
  readonly containers: readonly Container[];
  readonly initContainers?: readonly Container[];
  readonly ephemeralContainers?: readonly unknown[];
  readonly volumes?: readonly Volume[];
  /** Default Always. */
  readonly restartPolicy?: RestartPolicy;
  /** Default 30. */
  readonly terminationGracePeriodSeconds?: number;
  readonly activeDeadlineSeconds?: number;
  /** Default ClusterFirst. */
  readonly dnsPolicy?: "ClusterFirst" | "ClusterFirstWithHostNet" | "Default" | "None";
  readonly dnsConfig?: PodDnsConfig;
  readonly nodeSelector?: Readonly<Record<string, string>>;
  readonly serviceAccountName?: string;
  readonly automountServiceAccountToken?: boolean;
  readonly hostNetwork?: boolean;
  readonly hostPID?: boolean;
  readonly hostIPC?: boolean;
  readonly shareProcessNamespace?: boolean;
  readonly securityContext?: PodSecurityContext;
  readonly hostname?: string;
  readonly subdomain?: string;
  readonly setHostnameAsFQDN?: boolean;
  readonly hostAliases?: readonly HostAlias[];
  readonly enableServiceLinks?: boolean;
  readonly readinessGates?: readonly { readonly conditionType: string }[];
  readonly tolerations?: readonly Toleration[];
  readonly affinity?: Affinity;
  /** While there are any, no node is looked for. */
  readonly schedulingGates?: readonly { readonly name: string }[];
  readonly priority?: number;
}

/** A taint that a Pod bears. */
export interface Toleration {
  /** Absent, with `Exists`: every key. */
  readonly key?: string;
  /** Default Equal. */
  readonly operator?: "Equal" | "Exists";
  readonly value?: string;
  /** Absent: every effect. */
  readonly effect?: "NoSchedule" | "PreferNoSchedule" | "NoExecute";
  readonly tolerationSeconds?: number;
}

/** Where a Pod may run, as far as it is honoured: the demands on nodes that are required. */
export interface Affinity {
  readonly nodeAffinity?: {
    readonly requiredDuringSchedulingIgnoredDuringExecution?: {
      /** One of them must hold. */
      readonly nodeSelectorTerms: readonly NodeSelectorTerm[];
    };
    readonly preferredDuringSchedulingIgnoredDuringExecution?: readonly unknown[];
  };
  readonly podAffinity?: object;
  readonly podAntiAffinity?: object;
}

/** Demands on a node, all of which must hold. */
export interface NodeSelectorTerm {
  readonly matchExpressions?: readonly NodeRequirement[];
  readonly matchFields?: readonly NodeRequirement[];
}

/** One demand on a node's label or field. */
export interface NodeRequirement {
  readonly key: string;
  readonly operator: "In" | "NotIn" | "Exists" | "DoesNotExist" | "Gt" | "Lt";
  readonly values?: readonly string[];
}

/** Whether containers that ended are started again. */
export type RestartPolicy = "Always" | "OnFailure" | "Never";

/** Names that a Pod's `/etc/hosts` has besides its own. */
export interface HostAlias {
  readonly ip: string;
  readonly hostnames?: readonly string[];
}

/** What a Pod's resolver is told besides what its policy says. */
export interface PodDnsConfig {
  readonly nameservers?: readonly string[];
  readonly searches?: readonly string[];
  readonly options?: readonly { readonly name?: string; readonly value?: string }[];
}

/** Where a Pod is in its life. */
export type PodPhase = "Pending" | "Running" | "Succeeded" | "Failed" | "Unknown";

/** What became of a Pod. */
export interface PodStatus {
  readonly observedGeneration?: number;
  readonly phase?: PodPhase;
  readonly conditions?: readonly PodCondition[];
  readonly message?: string;
  readonly reason?: string;
  readonly hostIP?: string;
  readonly hostIPs?: readonly { readonly ip: string }[];
  readonly podIP?: string;
  readonly podIPs?: readonly { readonly ip: string }[];
  readonly startTime?: string;
  readonly initContainerStatuses?: readonly ContainerStatus[];
  readonly containerStatuses?: readonly ContainerStatus[];
  readonly qosClass?: QosClass;
}

/** How sure a Pod can be of what it asked for. */
export type QosClass = "Guaranteed" | "Burstable" | "BestEffort";

/** One observation of a Pod. */
export interface PodCondition {
  readonly type: string;
  readonly status: "True" | "False" | "Unknown";
  readonly reason?: string;
  readonly message?: string;
  readonly lastProbeTime?: null;
  readonly lastTransitionTime?: string;
  readonly observedGeneration?: number;
}

/** What became of a container. */
export interface ContainerStatus {
  readonly name: string;
  readonly state: ContainerState;
  readonly lastState: ContainerState;
  readonly ready: boolean;
  readonly restartCount: number;
  readonly image: string;
  readonly imageID: string;
  readonly containerID?: string;
  readonly started?: boolean;
}

/** One of three; none of them means that it waits for a reason not known. */
export interface ContainerState {
  readonly waiting?: { readonly reason?: string; readonly message?: string };
  readonly running?: { readonly startedAt: string };
  readonly terminated?: {
    readonly exitCode: number;
    readonly signal?: number;
    readonly reason?: string;
    readonly message?: string;
    readonly startedAt?: string;
    readonly finishedAt?: string;
    readonly containerID?: string;
  };
}

/** v1 Pod. */
export const podResource: ResourceType<PodObject> = {
  group: "",
  version: "v1",
  resource: "pods",
  kind: "Pod",
  namespaced: true,
};

/** Names, on a Pod, the function instance that it shows: such a Pod has no processes of its own. */
export const instanceAnnotation = "lambient.dev/instance";
/** On a Pod, written by the node: `enabled` once its connections are captured, `pending` until then. */
export const redirectionAnnotation = "ambient.istio.io/redirection";

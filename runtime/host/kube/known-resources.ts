/** Where the kinds live that more than one program reads; the node runtime cannot see k8s/model. */
import type { RevisionSpec, FunctionSpec } from "#core/release/function-spec.ts";
import type { KubeObject, NamespacedMeta, ResourceType } from "./object.ts";

/** One observation in a status. */
export interface Condition {
  readonly type: string;
  readonly status: "True" | "False" | "Unknown";
  /** One CamelCase word. */
  readonly reason: string;
  readonly message: string;
  readonly lastTransitionTime: string;
  readonly observedGeneration?: number;
}

/** A function as its user declares it. */
export interface FunctionObject extends KubeObject {
  readonly metadata: NamespacedMeta;
  /** As stored: defaults are set, except that of the service account, which is the function's own name. */
  readonly spec: Omit<FunctionSpec, "serviceAccountName"> & { readonly serviceAccountName?: string };
  readonly status?: FunctionStatus;
}

/** What became of a function. */
export interface FunctionStatus {
  readonly observedGeneration?: number;
  readonly conditions?: readonly Condition[];
  /** Name without the function's prefix of the newest revision that was made. */
  readonly latestRevision?: string;
  /** Same, of the newest that is ready. */
  readonly latestReadyRevision?: string;
  /** Inside the mesh. */
  readonly url?: string;
  readonly traffic?: readonly { readonly revision: string; readonly percent: number }[];
}

/** An immutable version of a function. */
export interface RevisionObject extends KubeObject {
  readonly metadata: NamespacedMeta;
  readonly spec: RevisionSpec;
  readonly status?: RevisionStatus;
}

/** What became of a revision. */
export interface RevisionStatus {
  readonly observedGeneration?: number;
  readonly conditions?: readonly Condition[];
}

/** A Secret; values are base64. */
export interface SecretObject extends KubeObject {
  readonly metadata: NamespacedMeta;
  readonly type?: string;
  readonly immutable?: boolean;
  readonly data?: Readonly<Record<string, string>>;
  /** Written only: becomes `data`. */
  readonly stringData?: Readonly<Record<string, string>>;
}

/** One port of a Gateway. */
export interface GatewayListener {
  readonly name: string;
  readonly port: number;
  /** `HBONE`, `HTTP`, `HTTPS`, `TLS` or `TCP`. */
  readonly protocol: string;
  readonly hostname?: string;
  readonly allowedRoutes?: { readonly namespaces?: { readonly from?: "All" | "Same" | "Selector" | "None" } };
}

/** An address of a Gateway. */
export interface GatewayAddress {
  /** `IPAddress` (the default) or `Hostname`. */
  readonly type?: string;
  readonly value: string;
}

/** A Gateway: of class `lambient-waypoint`, a group's waypoint. */
export interface GatewayObject extends KubeObject {
  readonly metadata: NamespacedMeta;
  readonly spec: {
    readonly gatewayClassName: string;
    readonly listeners: readonly GatewayListener[];
    readonly addresses?: readonly GatewayAddress[];
  };
  readonly status?: {
    readonly addresses?: readonly GatewayAddress[];
    readonly conditions?: readonly Condition[];
    readonly listeners?: readonly unknown[];
  };
}

/** lambient.dev/v1alpha1 Function. */
export const functionResource: ResourceType<FunctionObject> = {
  group: "lambient.dev",
  version: "v1alpha1",
  resource: "functions",
  kind: "Function",
  namespaced: true,
};

/** lambient.dev/v1alpha1 Revision. */
export const revisionResource: ResourceType<RevisionObject> = {
  group: "lambient.dev",
  version: "v1alpha1",
  resource: "revisions",
  kind: "Revision",
  namespaced: true,
};

/** v1 Secret. */
export const secretResource: ResourceType<SecretObject> = {
  group: "",
  version: "v1",
  resource: "secrets",
  kind: "Secret",
  namespaced: true,
};

/** gateway.networking.k8s.io/v1 Gateway. */
export const gatewayResource: ResourceType<GatewayObject> = {
  group: "gateway.networking.k8s.io",
  version: "v1",
  resource: "gateways",
  kind: "Gateway",
  namespaced: true,
};

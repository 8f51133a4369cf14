/** The types of the built-in kinds that the API serves, as far as our programs read them. */
import type { Condition } from "#host/kube/known-resources.ts";
import type { KubeObject, NamespacedMeta, ObjectMeta, ResourceType } from "#host/kube/object.ts";

/** A Namespace. */
export interface NamespaceObject extends KubeObject {
  readonly metadata: ObjectMeta;
  readonly spec?: { readonly finalizers?: readonly string[] };
  readonly status?: { readonly phase?: "Active" | "Terminating" };
}

/** One port of a Service. */
export interface ServicePort {
  /** May be absent when it is the only one. */
  readonly name?: string;
  /** Default TCP. */
  readonly protocol?: "TCP" | "UDP" | "SCTP";
  readonly appProtocol?: string;
  readonly port: number;
  /** Default: `port`. */
  readonly targetPort?: number | string;
}

/** A Service. */
export interface ServiceObject extends KubeObject {
  readonly metadata: NamespacedMeta;
  readonly spec: {
    /** Default ClusterIP. */
    readonly type?: "ClusterIP" | "ExternalName";
    /** An address of the service range, or `None`. */
    readonly clusterIP?: string;
    readonly clusterIPs?: readonly string[];
    readonly ports?: readonly ServicePort[];
    readonly selector?: Readonly<Record<string, string>>;
    readonly externalName?: string;
    readonly internalTrafficPolicy?: "Cluster" | "Local";
    readonly publishNotReadyAddresses?: boolean;
    readonly trafficDistribution?: string;
  };
  readonly status?: { readonly loadBalancer?: object; readonly conditions?: readonly Condition[] };
}

/** A ConfigMap. */
export interface ConfigMapObject extends KubeObject {
  readonly metadata: NamespacedMeta;
  readonly immutable?: boolean;
  readonly data?: Readonly<Record<string, string>>;
  /** Base64. */
  readonly binaryData?: Readonly<Record<string, string>>;
}

/** A ServiceAccount. */
export interface ServiceAccountObject extends KubeObject {
  readonly metadata: NamespacedMeta;
  readonly automountServiceAccountToken?: boolean;
}

/** Addresses of a Service. */
export interface EndpointSliceObject extends KubeObject {
  readonly metadata: NamespacedMeta;
  readonly addressType: "IPv4" | "IPv6" | "FQDN";
  readonly endpoints: readonly {
    readonly addresses: readonly string[];
    readonly conditions?: {
      readonly ready?: boolean;
      readonly serving?: boolean;
      readonly terminating?: boolean;
    };
    readonly hostname?: string;
    readonly nodeName?: string;
    readonly targetRef?: {
      readonly kind?: string;
      readonly namespace?: string;
      readonly name?: string;
      readonly uid?: string;
    };
  }[];
  readonly ports?: readonly {
    readonly name?: string;
    readonly port?: number;
    readonly protocol?: string;
    readonly appProtocol?: string;
  }[];
}

/** One address of Endpoints. */
export interface EndpointAddress {
  readonly ip: string;
  readonly hostname?: string;
  readonly nodeName?: string;
  readonly targetRef?: object;
}

/** Addresses that serve at the same ports. */
export interface EndpointSubset {
  readonly addresses?: readonly EndpointAddress[];
  readonly notReadyAddresses?: readonly EndpointAddress[];
  readonly ports?: readonly object[];
}

/** Addresses of a Service in one object, as older clients read them. */
export interface EndpointsObject extends KubeObject {
  readonly metadata: NamespacedMeta;
  readonly subsets?: readonly EndpointSubset[];
}

function core<Kind extends KubeObject>(
  resource: string,
  kind: string,
  namespaced: "namespaced" | "cluster",
): ResourceType<Kind> {
  return { group: "", version: "v1", resource, kind, namespaced: namespaced === "namespaced" };
}

/** v1 Namespace. */
export const namespaceResource: ResourceType<NamespaceObject> = core("namespaces", "Namespace", "cluster");
/** v1 Service. */
export const serviceResource: ResourceType<ServiceObject> = core("services", "Service", "namespaced");
/** v1 Endpoints. */
export const endpointsResource: ResourceType<EndpointsObject> = core("endpoints", "Endpoints", "namespaced");
/** v1 ConfigMap. */
export const configMapResource: ResourceType<ConfigMapObject> = core("configmaps", "ConfigMap", "namespaced");
/** v1 ServiceAccount. */
export const serviceAccountResource: ResourceType<ServiceAccountObject> = core(
  "serviceaccounts",
  "ServiceAccount",
  "namespaced",
);
/** discovery.k8s.io/v1 EndpointSlice. */
export const endpointSliceResource: ResourceType<EndpointSliceObject> = {
  group: "discovery.k8s.io",
  version: "v1",
  resource: "endpointslices",
  kind: "EndpointSlice",
  namespaced: true,
};

/** The objects a mesh is made of, gathered as one value: what translation and reconciliation read. */
import type { FunctionObject, GatewayObject, RevisionObject } from "#host/kube/known-resources.ts";
import type { AuthorizationPolicyObject } from "../model/authorization-policy.ts";
import type {
  EndpointSliceObject,
  NamespaceObject,
  ServiceAccountObject,
  ServiceObject,
} from "../model/core-objects.ts";
import type { HttpRouteObject } from "../model/http-route.ts";
import type { PeerAuthenticationObject } from "../model/peer-authentication.ts";
import type { PodObject } from "../model/pod.ts";

/** A running instance, as the node runtime tells of it. */
export interface InstanceObject {
  readonly instance: string;
  readonly namespace: string;
  /** Name of the Revision object. */
  readonly revision: string;
  readonly function: string;
  readonly address: string;
}

/** What of the mesh is set when it is brought up. */
export interface MeshSettings {
  readonly trustDomain: string;
  /** Domain of service hostnames: `<service>.<namespace>.svc.<cluster domain>`. */
  readonly clusterDomain: string;
  /** Namespace of the mesh's own parts; its policies without selector hold everywhere. */
  readonly rootNamespace: string;
  readonly node: string;
  /** Address of the node's ztunnel as a workload. */
  readonly nodeAddress: string;
  readonly edgeAddress: string;
  /** Range that waypoints' addresses come from; the edge's is the first. */
  readonly waypointRange: string;
  /** How long a waypoint stays awake without work. */
  readonly waypointIdleMs: number;
}

/** Everything at one moment. Lists are in no order. */
export interface MeshObjects {
  readonly settings: MeshSettings;
  readonly namespaces: readonly NamespaceObject[];
  readonly functions: readonly FunctionObject[];
  readonly revisions: readonly RevisionObject[];
  readonly services: readonly ServiceObject[];
  readonly serviceAccounts: readonly ServiceAccountObject[];
  readonly gateways: readonly GatewayObject[];
  readonly routes: readonly HttpRouteObject[];
  readonly policies: readonly AuthorizationPolicyObject[];
  readonly peerAuthentications: readonly PeerAuthenticationObject[];
  readonly pods: readonly PodObject[];
  /** Those that somebody else than our own controller keeps. */
  readonly slices: readonly EndpointSliceObject[];
  readonly instances: readonly InstanceObject[];
}

/** The class of Gateways that are waypoints here. */
export const waypointClass = "lambient-waypoint";
/** Names the waypoint that a Service or a namespace's Services stand behind; `none` opts out. */
export const useWaypointLabel = "istio.io/use-waypoint";
/** The namespace of that waypoint; waypoints of other namespaces are not served here. */
export const useWaypointNamespaceLabel = "istio.io/use-waypoint-namespace";
/** On a Gateway: whether it serves services, workloads, both or none. */
export const waypointForLabel = "istio.io/waypoint-for";
/** On objects made for a Function: its name. */
export const functionLabel = "lambient.dev/function";
/** On revisions' workloads: the revision's object name. */
export const revisionLabel = "lambient.dev/revision";
/** Port of tunnels. */
export const tunnelPort = 15_008;

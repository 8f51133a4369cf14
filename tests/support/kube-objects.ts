/** Objects for tests of translation and reconciliation: as the API stores them, with what a test does not care about filled in. */
import { defaultLimits, defaultScale, type FunctionSpec } from "#core/release/function-spec.ts";
import type { FunctionObject, GatewayObject, RevisionObject } from "#host/kube/known-resources.ts";
import type { NamespacedMeta } from "#host/kube/object.ts";
import type { AuthorizationPolicyObject } from "../../k8s/model/authorization-policy.ts";
import type { NamespaceObject, ServiceObject } from "../../k8s/model/core-objects.ts";
import type { HttpRouteObject } from "../../k8s/model/http-route.ts";
import type { PeerAuthenticationObject } from "../../k8s/model/peer-authentication.ts";
import type { PodObject, PodSpec, PodStatus } from "../../k8s/model/pod.ts";
import {
  functionLabel,
  type MeshObjects,
  type MeshSettings,
  useWaypointLabel,
  waypointClass,
} from "../../k8s/translate/mesh-objects.ts";
import { currentRevision, revisionContent } from "../../k8s/translate/revision-name.ts";

/** A mesh whose trust domain is not the default, so that a test sees where it is used. */
export const settings: MeshSettings = {
  trustDomain: "mesh.example",
  clusterDomain: "cluster.local",
  rootNamespace: "lambient-system",
  node: "node-0",
  nodeAddress: "10.244.0.1",
  edgeAddress: "10.245.0.1",
  waypointRange: "10.245.0.0/24",
  waypointIdleMs: 60_000,
};

/** A time that all objects of a test share unless they say otherwise. */
export const madeAt = "2026-01-01T00:00:00Z";

/** Metadata as it is stored. */
export function meta(namespace: string, name: string, more: Partial<NamespacedMeta> = {}): NamespacedMeta {
  return {
    namespace,
    name,
    uid: `uid-${name}`,
    resourceVersion: "1",
    generation: 1,
    creationTimestamp: madeAt,
    ...more,
  };
}

/** A policy of `shop`. */
export function policyObject(
  name: string,
  spec: NonNullable<AuthorizationPolicyObject["spec"]>,
  namespace = "shop",
): AuthorizationPolicyObject {
  const head = { apiVersion: "security.istio.io/v1", kind: "AuthorizationPolicy" };
  return { ...head, metadata: meta(namespace, name), spec };
}

/** A function of `shop`. */
export function functionObject(
  name: string,
  spec: Partial<FunctionSpec> = {},
  more: Partial<FunctionObject> = {},
): FunctionObject {
  return {
    apiVersion: "lambient.dev/v1alpha1",
    kind: "Function",
    metadata: meta("shop", name),
    spec: {
      group: "waypoint",
      schedules: [],
      template: {
        bundle: `sha256:${"a".repeat(64)}`,
        engine: "bun",
        env: {},
        secrets: {},
        bindings: [],
        scale: defaultScale,
        limits: defaultLimits,
        egress: "ALLOW_ANY",
      },
      ...spec,
    },
    ...more,
  };
}

/** The revision that a function describes, or the same under another name. */
export function revisionObject(
  object: FunctionObject,
  isReady: boolean,
  name: string = currentRevision(object),
): RevisionObject {
  const condition = { type: "Ready", reason: "Loaded", message: "", lastTransitionTime: madeAt };
  return {
    apiVersion: "lambient.dev/v1alpha1",
    kind: "Revision",
    metadata: meta("shop", `${object.metadata.name}-${name}`, {
      labels: { [functionLabel]: object.metadata.name },
    }),
    spec: { ...revisionContent(object), signature: "s" },
    ...(isReady ? { status: { conditions: [{ ...condition, status: "True" }] } } : {}),
  };
}

/** The Service of a function, behind the waypoint of its group. */
export function functionService(name: string, address: string, waypoint = "waypoint"): ServiceObject {
  const labels = { [functionLabel]: name, [useWaypointLabel]: waypoint };
  return { ...plainService(name, address), metadata: meta("shop", name, { labels }) };
}

/** A Service of `shop` without a function. */
export function plainService(name: string, address: string): ServiceObject {
  return {
    apiVersion: "v1",
    kind: "Service",
    metadata: meta("shop", name),
    spec: { clusterIP: address, ports: [{ name: "http", port: 80, targetPort: 8080, appProtocol: "http" }] },
  };
}

/** A Pod of `shop` that runs and is ready, of the service account `default`. */
export function podObject(
  name: string,
  address: string | undefined,
  more: {
    readonly metadata?: Partial<NamespacedMeta>;
    readonly spec?: Partial<PodSpec>;
    readonly status?: PodStatus;
  } = {},
): PodObject {
  const ready = { type: "Ready", status: "True" as const };
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: meta("shop", name, more.metadata),
    spec: { nodeName: "node-0", containers: [{ name: "main" }], ...more.spec },
    status: {
      phase: "Running",
      conditions: [ready],
      ...(address === undefined ? {} : { podIP: address, podIPs: [{ ip: address }] }),
      ...more.status,
    },
  };
}

/** A PeerAuthentication of `shop`. */
export function peerAuthenticationObject(
  name: string,
  spec: NonNullable<PeerAuthenticationObject["spec"]>,
  more: Partial<NamespacedMeta> = {},
): PeerAuthenticationObject {
  const head = { apiVersion: "security.istio.io/v1", kind: "PeerAuthentication" };
  return { ...head, metadata: meta("shop", name, more), spec };
}

/** A waypoint's Gateway, with its address when it has one. */
export function waypointObject(name: string, address: string | undefined): GatewayObject {
  return {
    apiVersion: "gateway.networking.k8s.io/v1",
    kind: "Gateway",
    metadata: meta("shop", name),
    spec: { gatewayClassName: waypointClass, listeners: [{ name: "mesh", port: 15_008, protocol: "HBONE" }] },
    ...(address === undefined ? {} : { status: { addresses: [{ type: "IPAddress", value: address }] } }),
  };
}

/** A route of `shop`. */
export function routeObject(
  name: string,
  spec: HttpRouteObject["spec"],
  more: Partial<NamespacedMeta> = {},
): HttpRouteObject {
  return {
    apiVersion: "gateway.networking.k8s.io/v1",
    kind: "HTTPRoute",
    metadata: meta("shop", name, more),
    spec,
  };
}

/** A mesh of what is given and nothing else. */
export function mesh(objects: Partial<MeshObjects>): MeshObjects {
  const namespace: NamespaceObject = {
    apiVersion: "v1",
    kind: "Namespace",
    metadata: { name: "shop", uid: "uid-shop", resourceVersion: "1", creationTimestamp: madeAt },
  };
  return {
    settings,
    namespaces: [namespace],
    functions: [],
    revisions: [],
    services: [],
    serviceAccounts: [],
    gateways: [],
    routes: [],
    policies: [],
    peerAuthentications: [],
    pods: [],
    slices: [],
    instances: [],
    ...objects,
  };
}

/** Pods → workloads as Istio describes them: who they are, whether they are well, which services they stand behind and which policies name them. */
import { create } from "@bufbuild/protobuf";
import { type IpAddress, ipBytes, parseIp } from "#core/address/ip.ts";
import {
  NetworkMode,
  type PortList,
  PortListSchema,
  TunnelProtocol,
  type Workload,
  WorkloadSchema,
  WorkloadStatus,
} from "#core/proto/istio/workload_pb.js";
import type { AuthorizationPolicyObject } from "../model/authorization-policy.ts";
import type { ServiceObject } from "../model/core-objects.ts";
import { instanceAnnotation, type PodObject, redirectionAnnotation } from "../model/pod.ts";
import { appProtocolOf, clusterId, isTcp } from "./service-ports.ts";
import { hostnameOf } from "./mesh-index.ts";
import type { MeshObjects, MeshSettings } from "./mesh-objects.ts";
import { targetAt } from "./named-ports.ts";
import { describeOwner } from "./pod-owner.ts";
import { selectorKeysForWorkload } from "./policy-keys.ts";
import { type PeerRules, sortPeerAuthentications } from "./resolve-peer-authentication.ts";
import { peerKeysFor } from "./translate-peer-authentication.ts";

/** What of a namespace the workloads of its Pods depend on. */
export interface PodContext {
  readonly settings: MeshSettings;
  readonly services: readonly SelectingService[];
  /** Those with a selector. */
  readonly policies: readonly AuthorizationPolicyObject[];
  readonly peers: PeerRules;
}

/** A Service with what selects its Pods. */
interface SelectingService {
  readonly key: string;
  readonly selector: readonly (readonly [label: string, value: string])[];
  readonly service: ServiceObject;
}

/** Gathers it. @param objects the namespace's own, with the root namespace's policies */
export function podContext(namespace: string, objects: MeshObjects): PodContext {
  const { settings, services, policies, peerAuthentications } = objects;
  return {
    settings,
    services: services.flatMap((service) => {
      const selector = Object.entries(service.spec.selector ?? {});
      // Without a selector somebody else says what stands behind it.
      if (selector.length === 0 || service.spec.type === "ExternalName") return [];
      return [{ key: `${namespace}/${hostnameOf(service, settings)}`, selector, service }];
    }),
    policies,
    peers: sortPeerAuthentications(peerAuthentications, namespace, settings.rootNamespace),
  };
}

/** The Pod's workload; undefined for one that has no address yet, has ended, or only shows a function's instance. */
export function translatePod(context: PodContext, pod: PodObject): Workload | undefined {
  const addresses = isShown(pod) ? addressesOf(pod) : [];
  if (addresses.length === 0) return undefined;
  const { metadata, spec } = pod;
  const { namespace, name, labels = {} } = metadata;
  return create(WorkloadSchema, {
    uid: `${clusterId}//Pod/${namespace}/${name}`,
    name,
    namespace,
    addresses: addresses.map(ipBytes),
    trustDomain: context.settings.trustDomain,
    serviceAccount: spec.serviceAccountName ?? "default",
    node: spec.nodeName ?? "",
    clusterId,
    status: isWell(pod) ? WorkloadStatus.HEALTHY : WorkloadStatus.UNHEALTHY,
    ...namesOf(pod),
    ...tunnelOf(pod),
    services: servicesOf(context, pod),
    authorizationPolicies: policiesOf(context, { namespace, labels }),
  });
}

function isShown({ metadata, status }: PodObject): boolean {
  const hasEnded = status?.phase === "Succeeded" || status?.phase === "Failed";
  return !hasEnded && metadata.annotations?.[instanceAnnotation] === undefined;
}

type Names = Pick<Workload, "canonicalName" | "canonicalRevision" | "workloadName" | "workloadType">;

/** As telemetry calls it: by its labels, else by its owner. */
function namesOf(pod: PodObject): Names {
  const { labels = {} } = pod.metadata;
  const { name, type } = describeOwner(pod);
  const workloadName = firstLabel(labels, ["service.istio.io/workload-name"]) ?? name;
  return {
    workloadName,
    workloadType: type,
    canonicalName: firstLabel(labels, canonicalNameLabels) ?? workloadName,
    canonicalRevision: firstLabel(labels, canonicalRevisionLabels) ?? "latest",
  };
}

const canonicalNameLabels = ["service.istio.io/canonical-name", "app.kubernetes.io/name", "app"];
const canonicalRevisionLabels = [
  "service.istio.io/canonical-revision",
  "app.kubernetes.io/version",
  "version",
];

function firstLabel(labels: Readonly<Record<string, string>>, names: readonly string[]): string | undefined {
  return names.map((name) => labels[name]).find((value) => value !== undefined && value !== "");
}

function addressesOf({ status }: PodObject): IpAddress[] {
  const texts = status?.podIPs?.map(({ ip }) => ip) ?? (status?.podIP === undefined ? [] : [status.podIP]);
  return texts.flatMap((text) => {
    const ip = parseIp(text);
    return ip.ok ? [ip.value] : [];
  });
}

/** One that is being deleted takes no new connections. */
function isWell({ metadata, status }: PodObject): boolean {
  const isReady = (status?.conditions ?? []).some((each) => each.type === "Ready" && each.status === "True");
  return isReady && metadata.deletionTimestamp === undefined;
}

type Tunnel = Pick<Workload, "tunnelProtocol" | "networkMode" | "nativeTunnel">;

/** On the node's network nothing is captured, whatever is annotated. */
function tunnelOf({ metadata, spec }: PodObject): Tunnel {
  const isHostNetwork = spec.hostNetwork === true;
  const nativeTunnel = metadata.labels?.["networking.istio.io/tunnel"] === "http";
  const isCaptured = !isHostNetwork && metadata.annotations?.[redirectionAnnotation] === "enabled";
  return {
    nativeTunnel,
    tunnelProtocol: isCaptured || nativeTunnel ? TunnelProtocol.HBONE : TunnelProtocol.NONE,
    networkMode: isHostNetwork ? NetworkMode.HOST_NETWORK : NetworkMode.STANDARD,
  };
}

function servicesOf({ services }: PodContext, pod: PodObject): Record<string, PortList> {
  const { labels = {} } = pod.metadata;
  const found: Record<string, PortList> = {};
  for (const { key, selector, service } of services) {
    if (!selector.every(([label, value]) => labels[label] === value)) continue;
    const ports = (service.spec.ports ?? []).filter(isTcp).flatMap((port) => {
      const targetPort = targetAt(pod, port.targetPort ?? port.port);
      const appProtocol = appProtocolOf(port);
      return targetPort === undefined ? [] : [{ servicePort: port.port, targetPort, appProtocol }];
    });
    found[key] = create(PortListSchema, { ports });
  }
  return found;
}

function policiesOf(
  { policies, peers, settings }: PodContext,
  subject: { readonly namespace: string; readonly labels: Readonly<Record<string, string>> },
): string[] {
  return [...selectorKeysForWorkload(policies, subject, settings), ...peerKeysFor(peers, subject)].sort();
}

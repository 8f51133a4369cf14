/** A Service and the Pods behind its selector → the endpoints it has, gathered by the ports that they serve at. */
import { parseIp } from "#core/address/ip.ts";
import { canonicalJson } from "#core/release/canonical-json.ts";
import type { ServiceObject, ServicePort } from "../../model/core-objects.ts";
import { instanceAnnotation, type PodObject } from "../../model/pod.ts";
import { requirementsOf } from "../workloads/owned.ts";
import { matchesLabels } from "../../api/label-selector.ts";
import { isReady, isTerminal, isTerminating } from "../workloads/pod-facts.ts";

/** One address behind a Service. */
export interface Endpoint {
  readonly addresses: readonly string[];
  readonly conditions: { readonly ready: boolean; readonly serving: boolean; readonly terminating: boolean };
  readonly hostname?: string;
  readonly nodeName?: string;
  readonly targetRef: {
    readonly kind: "Pod";
    readonly namespace: string;
    readonly name: string;
    readonly uid: string;
  };
}

/** A port of endpoints: a number, whatever the Service calls it. */
export interface EndpointPort {
  readonly name: string;
  readonly protocol: string;
  readonly port: number;
  readonly appProtocol?: string;
}

/** Endpoints that serve at the same ports, of one family of addresses. */
export interface EndpointGroup {
  readonly addressType: "IPv4" | "IPv6";
  readonly ports: readonly EndpointPort[];
  /** In order of their Pods' names. */
  readonly endpoints: readonly Endpoint[];
}

/** Whether its endpoints are made of Pods at all. */
export function hasSelector({ spec }: ServiceObject): boolean {
  return spec.type !== "ExternalName" && Object.keys(spec.selector ?? {}).length > 0;
}

/** Gathers. @param pods of its namespace */
export function gatherEndpoints(
  service: ServiceObject,
  pods: readonly PodObject[],
): readonly EndpointGroup[] {
  const requirements = requirementsOf({ matchLabels: service.spec.selector ?? {} });
  const groups = new Map<string, { group: EndpointGroup; endpoints: Endpoint[] }>();
  const selected = pods
    .filter((pod) => isIncluded(pod) && matchesLabels(requirements, pod.metadata.labels))
    .sort((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1));
  for (const pod of selected) {
    const address = pod.status?.podIP ?? "";
    const addressType = address.includes(":") ? "IPv6" : "IPv4";
    const ports = resolvePorts(service, pod);
    const key = canonicalJson({ addressType, ports });
    let found = groups.get(key);
    if (found === undefined) {
      const endpoints: Endpoint[] = [];
      found = { group: { addressType, ports, endpoints }, endpoints };
      groups.set(key, found);
    }
    found.endpoints.push(endpointOf(service, pod, address));
  }
  return [...groups.values()].map(({ group }) => group);
}

/** One that has ended, or has no address yet, is no endpoint; nor is a function's instance, which only its waypoint may reach. */
function isIncluded(pod: PodObject): boolean {
  if (pod.metadata.annotations?.[instanceAnnotation] !== undefined) return false;
  return !isTerminal(pod) && parseIp(pod.status?.podIP ?? "").ok;
}

function endpointOf(service: ServiceObject, pod: PodObject, address: string): Endpoint {
  const { namespace, name, uid } = pod.metadata;
  const serving = isReady(pod);
  const terminating = isTerminating(pod);
  const isPublished = service.spec.publishNotReadyAddresses === true;
  const { hostname, subdomain, nodeName } = pod.spec;
  const isNamed = hostname !== undefined && subdomain === service.metadata.name;
  return {
    addresses: [address],
    conditions: { ready: isPublished || (serving && !terminating), serving, terminating },
    ...(isNamed ? { hostname } : {}),
    ...(nodeName === undefined ? {} : { nodeName }),
    targetRef: { kind: "Pod", namespace, name, uid },
  };
}

/** A port whose name the Pod does not know is left out. */
function resolvePorts({ spec }: ServiceObject, pod: PodObject): readonly EndpointPort[] {
  return (spec.ports ?? []).flatMap((each) => {
    const port = resolvePort(each, pod);
    if (port === undefined) return [];
    const { name = "", protocol = "TCP", appProtocol } = each;
    return [{ name, protocol, port, ...(appProtocol === undefined ? {} : { appProtocol }) }];
  });
}

function resolvePort(
  { targetPort, port, protocol = "TCP" }: ServicePort,
  pod: PodObject,
): number | undefined {
  const target = targetPort ?? port;
  if (typeof target === "number") return target;
  if (/^\d+$/.test(target)) return Number(target);
  return pod.spec.containers
    .flatMap(({ ports = [] }) => ports)
    .find((each) => each.name === target && (each.protocol ?? "TCP") === protocol)?.containerPort;
}

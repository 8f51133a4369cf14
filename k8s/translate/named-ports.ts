/** Which number a Service's named target port has at its Pods, for those who must know before one of them is chosen. */
import type { ServiceObject, ServicePort } from "../model/core-objects.ts";
import type { PodObject } from "../model/pod.ts";
import type { MeshObjects } from "./mesh-objects.ts";
import { isTcp } from "./service-ports.ts";

/** Numbers by {@link namedPortKey}; a name that no Pod has is not among them. */
export type NamedPorts = ReadonlyMap<string, number>;

/** The key of a Service's port. */
export function namedPortKey({ metadata }: ServiceObject, { port }: ServicePort): string {
  return `${metadata.namespace}/${metadata.name}:${port}`;
}

/** Finds them for the Services of one namespace: by the first Pod that has the name, since hardly ever two differ. */
export function resolveNamedPorts({ services, pods }: Pick<MeshObjects, "services" | "pods">): NamedPorts {
  const found = new Map<string, number>();
  for (const service of services) {
    const selector = Object.entries(service.spec.selector ?? {});
    const named = (service.spec.ports ?? []).filter(({ targetPort }) => typeof targetPort === "string");
    if (selector.length === 0 || named.length === 0) continue;
    const isSelected = ({ metadata }: PodObject): boolean =>
      selector.every(([label, value]) => metadata.labels?.[label] === value);
    for (const port of named) {
      const number = firstTarget(pods, isSelected, port);
      if (number !== undefined) found.set(namedPortKey(service, port), number);
    }
  }
  return found;
}

/** The number of a target port at a Pod: a name means the port of a container that has it. */
export function targetAt({ spec }: PodObject, target: number | string): number | undefined {
  if (typeof target === "number") return target;
  const staying = (spec.initContainers ?? []).filter(({ restartPolicy }) => restartPolicy === "Always");
  for (const { ports = [] } of [...spec.containers, ...staying]) {
    const port = ports.find((each) => each.name === target && isTcp(each));
    if (port !== undefined) return port.containerPort;
  }
  return undefined;
}

/** Whether two say the same. */
export function isSamePorts(a: NamedPorts, b: NamedPorts): boolean {
  return a.size === b.size && [...a].every(([key, port]) => b.get(key) === port);
}

function firstTarget(
  pods: readonly PodObject[],
  isSelected: (pod: PodObject) => boolean,
  { targetPort = "" }: ServicePort,
): number | undefined {
  for (const pod of pods) {
    const number = isSelected(pod) ? targetAt(pod, targetPort) : undefined;
    if (number !== undefined) return number;
  }
  return undefined;
}

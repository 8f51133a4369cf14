/** Fields of a Pod as its containers may ask for them, in variables and in files. Pure. */
import { err, ok, type Result } from "#core/result.ts";
import type { Container, Quantities, ResourceFieldRef } from "../../model/container.ts";
import type { PodObject } from "../../model/pod.ts";
import { parseQuantity } from "./quantity.ts";

/** What the stored Pod does not say by itself. */
export interface PodPlace {
  readonly address: string;
  readonly hostIP: string;
  readonly node: string;
  /** What the machine has, for containers without a limit. */
  readonly allocatable: Readonly<Record<string, number>>;
}

/** The text of a field; @returns why there is none. */
export function readPodField(pod: PodObject, place: PodPlace, path: string): Result<string> {
  const { metadata, spec } = pod;
  const part = /^metadata\.(labels|annotations)(?:\['([^']*)'\])?$/.exec(path);
  if (part !== null) {
    const entries = metadata[part[1] === "labels" ? "labels" : "annotations"] ?? {};
    return ok(part[2] === undefined ? formatEntries(entries) : (entries[part[2]] ?? ""));
  }
  const texts: Readonly<Record<string, string>> = {
    "metadata.name": metadata.name,
    "metadata.namespace": metadata.namespace,
    "metadata.uid": metadata.uid,
    "spec.nodeName": place.node,
    "spec.serviceAccountName": spec.serviceAccountName ?? "default",
    "status.hostIP": place.hostIP,
    "status.hostIPs": place.hostIP,
    "status.podIP": place.address,
    "status.podIPs": place.address,
  };
  const text = texts[path];
  return text === undefined ? err(`field label not supported: ${path}`) : ok(text);
}

/** All entries, `key="value"` a line, in the order of their keys. */
function formatEntries(entries: Readonly<Record<string, string>>): string {
  return Object.keys(entries)
    .sort()
    .map((key) => `${key}=${JSON.stringify(entries[key])}`)
    .join("\n");
}

/** A container's request or limit as a number of divisors; without a limit what the machine has. */
export function readResourceField(
  containers: readonly Container[],
  ref: ResourceFieldRef,
  own: string | undefined,
  place: PodPlace,
): Result<string> {
  const containerName = ref.containerName ?? own ?? "";
  const container = containers.find(({ name }) => name === containerName);
  if (container === undefined) return err(`container ${containerName} not found`);
  const [, kind, resource = ""] = /^(limits|requests)\.(.*)$/s.exec(ref.resource) ?? [];
  if (kind !== "limits" && kind !== "requests") {
    return err(`unsupported container resource : ${ref.resource}`);
  }
  const defaults = kind === "limits" ? place.allocatable : {};
  const quantities: Quantities = { ...defaults, ...container.resources?.[kind] };
  return ok(String(Math.ceil((parseQuantity(quantities[resource]) ?? 0) / divisorOf(ref))));
}

/** A divisor of zero means one, as in Kubernetes. */
function divisorOf({ divisor }: ResourceFieldRef): number {
  const value = parseQuantity(divisor);
  return value === undefined || value === 0 ? 1 : value;
}

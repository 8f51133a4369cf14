/** How sure a Pod can be of what it asked for, from its containers' requests and limits. Pure. */
import type { Container, Quantities } from "../../model/container.ts";
import type { PodSpec, QosClass } from "../../model/pod.ts";
import { parseQuantity } from "./quantity.ts";

const counted = ["cpu", "memory"] as const;

/** The class: all limits given and equal to the requests; none of either; anything between. */
export function qosClassOf(spec: Pick<PodSpec, "containers" | "initContainers">): QosClass {
  const all = [...spec.containers, ...(spec.initContainers ?? [])];
  if (all.every(asksNothing)) return "BestEffort";
  return all.every(isGuaranteed) ? "Guaranteed" : "Burstable";
}

function asksNothing({ resources }: Container): boolean {
  return counted.every((name) => isZero(resources?.requests, name) && isZero(resources?.limits, name));
}

function isGuaranteed({ resources }: Container): boolean {
  return counted.every((name) => {
    const limit = parseQuantity(resources?.limits?.[name]);
    const request = parseQuantity(resources?.requests?.[name]) ?? limit;
    return limit !== undefined && limit > 0 && request === limit;
  });
}

function isZero(quantities: Quantities | undefined, name: string): boolean {
  return (parseQuantity(quantities?.[name]) ?? 0) === 0;
}

/** A Pod as its template says, made for its controller. */
import type { Draft, ResourceType } from "#host/kube/object.ts";
import type { KubeObject } from "#host/kube/object.ts";
import type { PodObject, PodSpec } from "../../model/pod.ts";
import type { PodTemplate } from "../../model/workload.ts";
import { controllerReference } from "./owned.ts";

/** What a Pod has besides its template. */
export interface PodExtras {
  /** Its very name; absent: one is made of the owner's. */
  readonly name?: string;
  /** Before the made part of its name; default the owner's name and a dash. */
  readonly namePrefix?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly finalizers?: readonly string[];
  readonly spec?: Partial<PodSpec>;
}

/** Longest part of an owner's name that fits before what the API adds. */
const prefixMax = 58;

/** The draft. */
export function podFromTemplate(
  template: PodTemplate,
  owner: { readonly type: ResourceType; readonly object: KubeObject },
  extras: PodExtras = {},
): Draft<PodObject> {
  const { metadata } = owner.object;
  const { labels, annotations, finalizers } = template.metadata ?? {};
  const held = [...(finalizers ?? []), ...(extras.finalizers ?? [])];
  const name =
    extras.name === undefined
      ? { generateName: (extras.namePrefix ?? `${metadata.name}-`).slice(0, prefixMax) }
      : { name: extras.name, generateName: `${metadata.name}-` };
  const allAnnotations = { ...annotations, ...extras.annotations };
  return {
    metadata: {
      ...name,
      ...(metadata.namespace === undefined ? {} : { namespace: metadata.namespace }),
      labels: { ...labels, ...extras.labels },
      ...(Object.keys(allAnnotations).length === 0 ? {} : { annotations: allAnnotations }),
      ...(held.length === 0 ? {} : { finalizers: held }),
      ownerReferences: [controllerReference(owner.type, owner.object)],
    },
    spec: { ...template.spec, ...extras.spec },
  };
}

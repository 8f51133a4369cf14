/** Translates the Pods of one namespace again and again: a Pod that did not change costs a look-up, as long as nothing around it did. */
import { create } from "@bufbuild/protobuf";
import { type Address, AddressSchema } from "#core/proto/istio/workload_pb.js";
import type { PodObject } from "../model/pod.ts";
import type { MeshObjects } from "./mesh-objects.ts";
import { isSameList } from "./split-mesh.ts";
import { podContext, type PodContext, translatePod } from "./translate-pods.ts";

/** Remembers one translation. */
export class PodTranslator {
  readonly #namespace: string;
  #around: MeshObjects | undefined;
  #context: PodContext | undefined;
  #known: ReadonlyMap<PodObject, Address | undefined> = new Map();

  constructor(namespace: string) {
    this.#namespace = namespace;
  }

  /** The Pods' addresses by uid. @param objects the namespace's own, with the root namespace's policies */
  translate(objects: MeshObjects): ReadonlyMap<string, Address> {
    const context = this.#contextOf(objects);
    const before = this.#known;
    const now = new Map<PodObject, Address | undefined>();
    const addresses = new Map<string, Address>();
    for (const pod of objects.pods) {
      const address = before.has(pod) ? before.get(pod) : addressOf(context, pod);
      now.set(pod, address);
      if (address?.type.case === "workload") addresses.set(address.type.value.uid, address);
    }
    this.#known = now;
    return addresses;
  }

  #contextOf(objects: MeshObjects): PodContext {
    const known = this.#around;
    if (this.#context !== undefined && known !== undefined && isSameAround(known, objects))
      return this.#context;
    this.#around = objects;
    this.#known = new Map();
    this.#context = podContext(this.#namespace, objects);
    return this.#context;
  }
}

function isSameAround(a: MeshObjects, b: MeshObjects): boolean {
  return (
    a.settings === b.settings &&
    isSameList(a.services, b.services) &&
    isSameList(a.policies, b.policies) &&
    isSameList(a.peerAuthentications, b.peerAuthentications)
  );
}

function addressOf(context: PodContext, pod: PodObject): Address | undefined {
  const value = translatePod(context, pod);
  if (value === undefined) return undefined;
  return create(AddressSchema, { type: { case: "workload", value } });
}

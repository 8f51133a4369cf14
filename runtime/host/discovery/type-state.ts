/** What a discovery client holds of one resource type, and how a response changes it; no connection. */
import { create } from "@bufbuild/protobuf";
import {
  type DeltaDiscoveryRequest,
  DeltaDiscoveryRequestSchema,
  type DeltaDiscoveryResponse,
  type Resource,
  StatusSchema,
} from "#core/proto/envoy/discovery_pb.js";
import { errorText } from "#host/mesh-error.ts";
import type { Discovered, WatchedType } from "./watched-type.ts";

/** gRPC's INVALID_ARGUMENT, the code of a refused resource. */
const invalidArgument = 3;
/** Refusals told in one answer; the rest is counted. */
const refusalsToldMax = 20;

/** Follows one type over any number of connections. */
export class TypeState {
  readonly watched: WatchedType;
  /** Name → version of each resource that counts. */
  readonly #versions = new Map<string, string>();
  #names: readonly string[] | undefined;
  #synced = false;
  #isAsked = false;
  #refused = 0;

  constructor(watched: WatchedType) {
    this.watched = watched;
    this.#names = watched.names;
  }

  /** Whether a response for this type was ever applied. */
  get isSynced(): boolean {
    return this.#synced;
  }

  get held(): number {
    return this.#versions.size;
  }

  /** Resources refused so far. */
  get refused(): number {
    return this.#refused;
  }

  /** Whether nothing is wanted now: then nothing is asked, since asking for no names means asking for all. */
  get wantsNothing(): boolean {
    return this.#names?.length === 0;
  }

  /** The first request for this type on a new connection; undefined when nothing is wanted. */
  firstRequest(): DeltaDiscoveryRequest | undefined {
    this.#isAsked = !this.wantsNothing;
    if (this.wantsNothing) return undefined;
    return create(DeltaDiscoveryRequestSchema, {
      typeUrl: this.watched.typeUrl,
      resourceNamesSubscribe: [...(this.#names ?? [])],
      initialResourceVersions: Object.fromEntries(this.#versions),
    });
  }

  /** Changes the names wanted. @returns the request that tells the server, when there is something to tell. */
  rename(names: readonly string[]): DeltaDiscoveryRequest | undefined {
    if (this.#names === undefined) return undefined;
    const before = new Set(this.#names);
    const after = new Set(names);
    const added = [...after].filter((name) => !before.has(name));
    const dropped = [...before].filter((name) => !after.has(name));
    this.#names = [...after];
    if (added.length + dropped.length === 0) return undefined;
    for (const name of dropped) this.#versions.delete(name);
    if (dropped.length > 0) this.watched.deliver([], dropped);
    if (!this.#isAsked) return this.firstRequest();
    return create(DeltaDiscoveryRequestSchema, {
      typeUrl: this.watched.typeUrl,
      resourceNamesSubscribe: added,
      resourceNamesUnsubscribe: dropped,
    });
  }

  /** Applies what is good of a response. @returns the answer: an ACK, with the reasons of what was refused. */
  apply(response: DeltaDiscoveryResponse): DeltaDiscoveryRequest {
    const changed: Discovered<unknown>[] = [];
    const refusals: string[] = [];
    for (const resource of response.resources) {
      try {
        changed.push({ name: resource.name, message: this.watched.read(resource.name, bytesOf(resource)) });
        this.#versions.set(resource.name, resource.version);
      } catch (error) {
        refusals.push(`${resource.name}: ${errorText(error)}`);
      }
    }
    for (const name of response.removedResources) this.#versions.delete(name);
    this.#synced = true;
    try {
      this.watched.deliver(changed, response.removedResources);
    } catch (error) {
      // The server must learn that its update had no effect; the stream itself is in order.
      refusals.push(`update: ${errorText(error)}`);
    }
    this.#refused += refusals.length;
    return create(DeltaDiscoveryRequestSchema, {
      typeUrl: this.watched.typeUrl,
      responseNonce: response.nonce,
      ...(refusals.length === 0 ? {} : { errorDetail: refusalStatus(refusals) }),
    });
  }
}

function refusalStatus(refusals: readonly string[]): ReturnType<typeof create<typeof StatusSchema>> {
  const told = refusals.slice(0, refusalsToldMax).join("; ");
  const more = refusals.length - refusalsToldMax;
  return create(StatusSchema, {
    code: invalidArgument,
    message: more > 0 ? `${told}; and ${more} more` : told,
  });
}

function bytesOf(resource: Resource): Uint8Array {
  if (resource.resource === undefined) throw new Error("the resource has no content");
  return resource.resource.value;
}

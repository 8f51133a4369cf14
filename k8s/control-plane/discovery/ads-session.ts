/** One delta discovery stream's state (xDS protocol, incremental ADS): what it wants and what it has; no transport. */
import { create } from "@bufbuild/protobuf";
import { AnySchema } from "@bufbuild/protobuf/wkt";
import {
  type DeltaDiscoveryRequest,
  type DeltaDiscoveryResponse,
  DeltaDiscoveryResponseSchema,
  type Resource,
  ResourceSchema,
} from "#core/proto/envoy/discovery_pb.js";
import { AuthorizationSchema } from "#core/proto/istio/authorization_pb.js";
import { AddressSchema } from "#core/proto/istio/workload_pb.js";
import { RevisionTemplateSchema, WaypointSchema } from "#core/proto/lambient/discovery_pb.js";
import { typeUrlOf } from "#host/discovery/watched-type.ts";
import type { ResourceChange, ResourceSet, ServedResource } from "./resource-set.ts";

/** Largest content of one response; more is sent in further ones. */
const responseBytesMax = 32 << 20;
/** Names that one stream may ask for, or bring versions of, in one type. */
const defaultNamesMax = 100_000;

/** What is referred to comes before what refers to it. */
const typeOrder: readonly string[] = [
  AuthorizationSchema,
  AddressSchema,
  RevisionTemplateSchema,
  WaypointSchema,
].map(typeUrlOf);

interface Subscription {
  wildcard: boolean;
  readonly names: Set<string>;
  /** Name → version that was sent last. */
  readonly sent: Map<string, string>;
  /** Names that may differ from what was sent: a set, so that it is bounded by what there is. */
  readonly pending: Set<string>;
}

/** What the transport does for a session. */
export interface AdsTransport {
  /** Sends. @returns false when no more should be sent until `flush()` is called again. */
  send(response: DeltaDiscoveryResponse): boolean;
  /** The client refused resources. */
  onRefusal(typeUrl: string, message: string): void;
}

/** A stream's state. */
export class AdsSession {
  readonly #resources: ResourceSet;
  readonly #transport: AdsTransport;
  readonly #namesMax: number;
  readonly #subscriptions = new Map<string, Subscription>();
  #nonce = 0;
  #taken = 0;
  #isBlocked = false;

  constructor(resources: ResourceSet, transport: AdsTransport, namesMax: number = defaultNamesMax) {
    this.#resources = resources;
    this.#transport = transport;
    this.#namesMax = namesMax;
  }

  /** Responses sent; each one's nonce is its number. */
  get sent(): number {
    return this.#nonce;
  }

  /** The last response that the client has answered. */
  get taken(): number {
    return this.#taken;
  }

  /** Whether something waits for `flush()`. */
  get isBehind(): boolean {
    return [...this.#subscriptions.values()].some(({ pending }) => pending.size > 0);
  }

  /**
   * Takes a request: the first of a type subscribes and is always answered, later ones change names or answer us.
   * @returns why the stream must end: a name that was left out instead would never be told of its changes
   */
  receive(request: DeltaDiscoveryRequest): string | undefined {
    const { typeUrl, responseNonce } = request;
    if (/^\d{1,15}$/.test(responseNonce)) this.#taken = Math.max(this.#taken, Number(responseNonce));
    if (request.errorDetail !== undefined) this.#transport.onRefusal(typeUrl, request.errorDetail.message);
    const known = this.#subscriptions.get(typeUrl);
    if (known === undefined) return this.#subscribe(request);
    for (const name of request.resourceNamesSubscribe) want(known, name);
    for (const name of request.resourceNamesUnsubscribe) unwant(known, name);
    if (known.names.size > this.#namesMax) return this.#tooMany(typeUrl);
    if (request.resourceNamesSubscribe.length > 0) this.#send(typeUrl, known, request.resourceNamesSubscribe);
    return undefined;
  }

  /** Notes what changed; `flush()` sends it. */
  note({ typeUrl, changed, removed }: ResourceChange): void {
    const subscription = this.#subscriptions.get(typeUrl);
    if (subscription === undefined) return;
    for (const name of [...changed, ...removed]) {
      if (subscription.wildcard || subscription.names.has(name)) subscription.pending.add(name);
    }
  }

  /**
   * Sends what is pending, as far as the transport takes it: first all that is new, what others refer to before those
   * others, then all that is gone in the opposite order. So a policy is known before a template names it, and stays
   * until none does: a name that is not known denies.
   */
  flush(): void {
    this.#isBlocked = false;
    const gone: (readonly [string, readonly string[]])[] = [];
    for (const [typeUrl, subscription] of this.#inOrder()) {
      if (subscription.pending.size === 0) continue;
      if (this.#isBlocked) break;
      const names = [...subscription.pending];
      subscription.pending.clear();
      const { resources, removed } = this.#difference(typeUrl, subscription, names, []);
      if (resources.length > 0) this.#respond(typeUrl, { resources, removed: [] });
      if (removed.length > 0) gone.unshift([typeUrl, removed]);
    }
    for (const [typeUrl, removed] of gone) this.#respond(typeUrl, { resources: [], removed });
  }

  #inOrder(): (readonly [string, Subscription])[] {
    return [...this.#subscriptions].sort(([a], [b]) => typeOrder.indexOf(a) - typeOrder.indexOf(b));
  }

  #tooMany(typeUrl: string): string {
    return `Cannot follow more than ${this.#namesMax} names of "${typeUrl.slice(0, 200)}"; follow all of them by "*"`;
  }

  #subscribe(request: DeltaDiscoveryRequest): string | undefined {
    const names = request.resourceNamesSubscribe.filter((name) => name !== "*");
    const brought = Object.entries(request.initialResourceVersions);
    if (Math.max(names.length, brought.length) > this.#namesMax) return this.#tooMany(request.typeUrl);
    const subscription: Subscription = {
      wildcard: names.length === 0 || names.length < request.resourceNamesSubscribe.length,
      names: new Set(names),
      sent: new Map(brought),
      pending: new Set(),
    };
    this.#subscriptions.set(request.typeUrl, subscription);
    const there = subscription.wildcard ? [...this.#resources.ofType(request.typeUrl).keys()] : [];
    const asked = new Set([...there, ...subscription.names, ...subscription.sent.keys()]);
    // A first answer that holds nothing tells the client that there is nothing to wait for.
    this.#respond(request.typeUrl, this.#difference(request.typeUrl, subscription, asked, names));
    return undefined;
  }

  /** Names asked for anew are answered in any case: with the resource, or as removed when there is none. */
  #send(typeUrl: string, subscription: Subscription, names: readonly string[]): void {
    const asked = names.includes("*")
      ? [...this.#resources.ofType(typeUrl).keys(), ...names.filter((name) => name !== "*")]
      : names;
    const difference = this.#difference(typeUrl, subscription, asked, subscription.wildcard ? [] : names);
    if (difference.resources.length + difference.removed.length > 0) this.#respond(typeUrl, difference);
  }

  #difference(
    ...[typeUrl, subscription, names, answered]: [string, Subscription, Iterable<string>, readonly string[]]
  ): { resources: ServedResource[]; removed: string[] } {
    const there = this.#resources.ofType(typeUrl);
    const mustAnswer = new Set(answered);
    const resources: ServedResource[] = [];
    const removed: string[] = [];
    for (const name of names) {
      const resource = there.get(name);
      const sent = subscription.sent.get(name);
      if (resource === undefined) {
        if (sent !== undefined || mustAnswer.has(name)) removed.push(name);
        subscription.sent.delete(name);
      } else if (resource.version !== sent) {
        resources.push(resource);
        subscription.sent.set(name, resource.version);
      }
    }
    return { resources, removed };
  }

  #respond(
    typeUrl: string,
    { resources, removed }: { resources: readonly ServedResource[]; removed: readonly string[] },
  ): void {
    const parts = splitBySize(resources);
    for (const [i, part] of parts.entries()) {
      const response = create(DeltaDiscoveryResponseSchema, {
        typeUrl,
        nonce: String(++this.#nonce),
        resources: part.map((resource) => resourceMessage(typeUrl, resource)),
        removedResources: i === 0 ? [...removed] : [],
      });
      if (!this.#transport.send(response)) this.#isBlocked = true;
    }
  }
}

function want(subscription: Subscription, name: string): void {
  if (name === "*") subscription.wildcard = true;
  else subscription.names.add(name);
}

function unwant(subscription: Subscription, name: string): void {
  if (name === "*") subscription.wildcard = false;
  subscription.names.delete(name);
  subscription.sent.delete(name);
  subscription.pending.delete(name);
}

function splitBySize(resources: readonly ServedResource[]): ServedResource[][] {
  const parts: ServedResource[][] = [[]];
  let bytes = 0;
  for (const resource of resources) {
    if (bytes > 0 && bytes + resource.bytes.length > responseBytesMax) {
      parts.push([]);
      bytes = 0;
    }
    parts.at(-1)?.push(resource);
    bytes += resource.bytes.length;
  }
  return parts;
}

function resourceMessage(typeUrl: string, { name, version, bytes }: ServedResource): Resource {
  return create(ResourceSchema, {
    name,
    version,
    resource: create(AnySchema, { typeUrl, value: bytes }),
  });
}

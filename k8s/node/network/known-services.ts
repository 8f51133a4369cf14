/** The Services and EndpointSlices that the API has, as names, redirections and variables need them; what changes together is told once. */
import type { Clock, Timer } from "#host/clock.ts";
import type { KubeClient } from "#host/kube/kube-client.ts";
import type { KubeObject, NamespacedMeta, ResourceType } from "#host/kube/object.ts";
import type { Log } from "#host/log.ts";
import { errorText } from "#host/mesh-error.ts";
import {
  type EndpointSliceObject,
  endpointSliceResource,
  type ServiceObject,
  serviceResource,
} from "../../model/core-objects.ts";
import type { ServiceIndex } from "./cluster-names.ts";
import { serviceNameLabel } from "./service-table.ts";

/** What following needs. */
export interface KnownServicesOptions {
  readonly api: KubeClient;
  readonly clock: Clock;
  readonly log: Log;
  /** Where Pods reach the API, which is a Service of theirs though no object says so. */
  readonly apiService: ServiceObject;
  /** Something has changed. */
  readonly onChange: () => void;
}

/** Changes within this are told together: a rollout changes many slices at once. */
const gatherMs = 5;

/** See the file's opening. */
export class KnownServices implements ServiceIndex {
  readonly #options: KnownServicesOptions;
  readonly #services = new Map<string, ServiceObject>();
  readonly #slices = new Map<string, EndpointSliceObject>();
  readonly #waitsFor = new Set(["services", "endpointslices"]);
  readonly #ending = new AbortController();
  #namespaces: ReadonlySet<string> = new Set();
  #slicesOf = new Map<string, EndpointSliceObject[]>();
  #timer: Timer | undefined;

  constructor(options: KnownServicesOptions) {
    this.#options = options;
  }

  /** What has not been told whole yet. */
  get waitsFor(): readonly string[] {
    return [...this.#waitsFor];
  }

  /** Begins to follow the API. */
  start(): void {
    this.#follow(serviceResource, this.#services);
    this.#follow(endpointSliceResource, this.#slices);
  }

  /** All Services. */
  services(): ServiceObject[] {
    return [...this.#services.values()];
  }

  /** All EndpointSlices. */
  allSlices(): EndpointSliceObject[] {
    return [...this.#slices.values()];
  }

  /** Those whose variables a Pod of the namespace gets: its own, and the API's. */
  servicesOf(namespace: string): ServiceObject[] {
    const own = this.services().filter(({ metadata }) => metadata.namespace === namespace);
    return [...own, this.#options.apiService];
  }

  service(namespace: string, name: string): ServiceObject | undefined {
    return this.#services.get(`${namespace}/${name}`) ?? this.#apiIf((api) => isNamed(api, namespace, name));
  }

  slices(namespace: string, name: string): readonly EndpointSliceObject[] {
    return this.#slicesOf.get(`${namespace}/${name}`) ?? [];
  }

  hasNamespace(namespace: string): boolean {
    return this.#namespaces.has(namespace);
  }

  serviceAt(address: string): ServiceObject | undefined {
    const isThere = ({ spec }: ServiceObject): boolean => spec.clusterIP === address;
    return this.services().find(isThere) ?? this.#apiIf(isThere);
  }

  /** Follows no more. */
  close(): void {
    this.#ending.abort();
    this.#timer?.cancel();
  }

  #follow<Kind extends KubeObject & { readonly metadata: NamespacedMeta }>(
    type: ResourceType<Kind>,
    into: Map<string, Kind>,
  ): void {
    const { api, log } = this.#options;
    api.watch(type, {
      onEvent: ({ type: change, object }) => {
        const key = `${object.metadata.namespace}/${object.metadata.name}`;
        if (change === "DELETED") into.delete(key);
        else into.set(key, object);
        this.#changed();
      },
      onSync: () => {
        this.#waitsFor.delete(type.resource);
        this.#tell();
      },
      onError: (error) => log.warn("cannot follow the API", { kind: type.kind, error: errorText(error) }),
      signal: this.#ending.signal,
    });
  }

  #apiIf(isMeant: (service: ServiceObject) => boolean): ServiceObject | undefined {
    const { apiService } = this.#options;
    return isMeant(apiService) ? apiService : undefined;
  }

  #changed(): void {
    this.#timer ??= this.#options.clock.after(gatherMs, () => this.#tell());
  }

  /** Nothing is told before everything is known: what is missing would be taken for gone. */
  #tell(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    if (this.#waitsFor.size > 0) return;
    this.#slicesOf = Map.groupBy(
      this.#slices.values(),
      ({ metadata }) => `${metadata.namespace}/${metadata.labels?.[serviceNameLabel] ?? ""}`,
    );
    this.#namespaces = new Set([...this.#services.values()].map(({ metadata }) => metadata.namespace));
    this.#options.onChange();
  }
}

function isNamed({ metadata }: ServiceObject, namespace: string, name: string): boolean {
  return metadata.namespace === namespace && metadata.name === name;
}

/** The Service that stands for the API in every cluster. */
export function apiServiceAt(address: string, port: number): ServiceObject {
  return {
    apiVersion: "v1",
    kind: "Service",
    metadata: {
      name: "kubernetes",
      namespace: "default",
      uid: "kubernetes",
      resourceVersion: "0",
      creationTimestamp: "1970-01-01T00:00:00Z",
    },
    spec: { clusterIP: address, ports: [{ name: "https", port }] },
  };
}

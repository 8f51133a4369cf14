/** One informer a kind, shared by all controllers. */
import type { Clock } from "#host/clock.ts";
import type { KubeClient } from "#host/kube/kube-client.ts";
import { functionResource, revisionResource } from "#host/kube/known-resources.ts";
import type { KubeObject, ObjectKey, ResourceType } from "#host/kube/object.ts";
import { endpointSliceResource, endpointsResource, serviceResource } from "../model/core-objects.ts";
import { jobResource } from "../model/job.ts";
import { nodeResource } from "../model/node.ts";
import { podResource } from "../model/pod.ts";
import {
  controllerRevisionResource,
  daemonSetResource,
  deploymentResource,
  replicaSetResource,
  statefulSetResource,
} from "../model/workload.ts";
import { Informer } from "./informer.ts";

/** What informers work with. */
export interface InformersOptions {
  readonly client: KubeClient;
  readonly clock: Clock;
  readonly onError: (kind: string, error: unknown) => void;
}

type InformerOf<Type> = Type extends ResourceType<infer Kind> ? Informer<Kind> : never;

/** See the file's head. */
export class Informers {
  readonly #options: InformersOptions;
  readonly #stop = new AbortController();
  readonly #all = new Map<string, Informer<KubeObject>>();
  readonly #unsynced = new Set<string>();
  readonly #synced = Promise.withResolvers<void>();

  readonly pods: InformerOf<typeof podResource>;
  readonly nodes: InformerOf<typeof nodeResource>;
  readonly services: InformerOf<typeof serviceResource>;
  readonly slices: InformerOf<typeof endpointSliceResource>;
  readonly endpoints: InformerOf<typeof endpointsResource>;
  readonly replicaSets: InformerOf<typeof replicaSetResource>;
  readonly deployments: InformerOf<typeof deploymentResource>;
  readonly statefulSets: InformerOf<typeof statefulSetResource>;
  readonly daemonSets: InformerOf<typeof daemonSetResource>;
  readonly controllerRevisions: InformerOf<typeof controllerRevisionResource>;
  readonly jobs: InformerOf<typeof jobResource>;
  readonly functions: InformerOf<typeof functionResource>;
  readonly revisions: InformerOf<typeof revisionResource>;

  constructor(options: InformersOptions) {
    this.#options = options;
    this.pods = this.#make(podResource);
    this.nodes = this.#make(nodeResource);
    this.services = this.#make(serviceResource);
    this.slices = this.#make(endpointSliceResource);
    this.endpoints = this.#make(endpointsResource);
    this.replicaSets = this.#make(replicaSetResource);
    this.deployments = this.#make(deploymentResource);
    this.statefulSets = this.#make(statefulSetResource);
    this.daemonSets = this.#make(daemonSetResource);
    this.controllerRevisions = this.#make(controllerRevisionResource);
    this.jobs = this.#make(jobResource);
    this.functions = this.#make(functionResource);
    this.revisions = this.#make(revisionResource);
  }

  /** Resolves when everything that existed at the start is known: nothing may be decided on before. */
  get synced(): Promise<void> {
    return this.#synced.promise;
  }

  /** Begins to watch. */
  start(): void {
    for (const informer of this.#all.values()) informer.start();
  }

  close(): void {
    this.#stop.abort();
  }

  /** Takes in what was just written. */
  note(type: ResourceType, object: KubeObject): void {
    this.#all.get(keyOfType(type))?.note(object);
  }

  /** Looks what became of an object that was just deleted. */
  async noteDeletion(type: ResourceType, key: ObjectKey): Promise<void> {
    await this.#all.get(keyOfType(type))?.noteDeletion(key);
  }

  #make<Kind extends KubeObject>(type: ResourceType<Kind>): Informer<Kind> {
    const { client, clock, onError } = this.#options;
    this.#unsynced.add(type.kind);
    const informer = new Informer<Kind>({
      client,
      type,
      clock,
      signal: this.#stop.signal,
      onSync: () => {
        this.#unsynced.delete(type.kind);
        if (this.#unsynced.size === 0) this.#synced.resolve();
      },
      onError: (error) => onError(type.kind, error),
    });
    // Sound: it is given back objects of its own kind only, found by the same type.
    this.#all.set(keyOfType(type), informer as unknown as Informer<KubeObject>);
    return informer;
  }
}

function keyOfType({ group, resource }: ResourceType): string {
  return `${resource}.${group}`;
}

/** The mesh's objects as they are now, kept by watches; tells when anything changed, once a turn of the event loop. */
import {
  type FunctionObject,
  functionResource,
  type GatewayObject,
  gatewayResource,
  type RevisionObject,
  revisionResource,
} from "#host/kube/known-resources.ts";
import type { KubeClient } from "#host/kube/kube-client.ts";
import { keyText, type KubeObject, type ResourceType } from "#host/kube/object.ts";
import {
  type AuthorizationPolicyObject,
  authorizationPolicyResource,
} from "../../model/authorization-policy.ts";
import {
  type EndpointSliceObject,
  endpointSliceResource,
  type NamespaceObject,
  namespaceResource,
  type ServiceAccountObject,
  serviceAccountResource,
  type ServiceObject,
  serviceResource,
} from "../../model/core-objects.ts";
import { type HttpRouteObject, httpRouteResource } from "../../model/http-route.ts";
import {
  type PeerAuthenticationObject,
  peerAuthenticationResource,
} from "../../model/peer-authentication.ts";
import { type PodObject, podResource } from "../../model/pod.ts";
import { managedByLabel, manager } from "../../reconcile/endpoints/reconcile-endpoint-slices.ts";
import type { MeshObjects } from "../../translate/mesh-objects.ts";

/** Everything but what is not in the API. */
export type WatchedObjects = Omit<MeshObjects, "settings" | "instances">;

/** A watch over all kinds of the mesh. */
export interface MeshWatch {
  /** Lists of kinds that did not change are the same ones as before. */
  objects(): WatchedObjects;
  /** Whether everything that existed at the start is here. */
  readonly isSynced: boolean;
  close(): void;
}

/** What is told of a watch. */
export interface MeshWatchOptions {
  readonly client: KubeClient;
  /** After changes, in the same turn of the event loop, once everything is synced; with the kinds that changed. */
  readonly onChange: (kinds: ReadonlySet<string>) => void;
  readonly onError: (kind: string, error: unknown) => void;
}

/** Starts watching. */
export function watchMesh(options: MeshWatchOptions): MeshWatch {
  const stop = new AbortController();
  const unsynced = new Set<string>();
  let untold = new Set<string>();
  let isTelling = false;

  const changed = (kind: string): void => {
    untold.add(kind);
    if (isTelling || unsynced.size > 0 || stop.signal.aborted) return;
    isTelling = true;
    queueMicrotask(() => {
      isTelling = false;
      const kinds = untold;
      untold = new Set();
      if (!stop.signal.aborted) options.onChange(kinds);
    });
  };

  function follow<Kind extends KubeObject>(
    type: ResourceType<Kind>,
    concernsUs: (object: Kind) => boolean = () => true,
  ): () => readonly Kind[] {
    const held = new Map<string, Kind>();
    let list: readonly Kind[] | undefined;
    unsynced.add(type.kind);
    options.client.watch(type, {
      signal: stop.signal,
      onEvent({ type: event, object }) {
        const key = keyText(object.metadata);
        if (!held.has(key) && !concernsUs(object)) return;
        if (event === "DELETED" || !concernsUs(object)) held.delete(key);
        else held.set(key, object);
        list = undefined;
        changed(type.kind);
      },
      onSync() {
        unsynced.delete(type.kind);
        changed(type.kind);
      },
      onError: (error) => options.onError(type.kind, error),
    });
    return () => (list ??= [...held.values()]);
  }

  const lists = followKinds(follow);
  return {
    // Sound: each list is that of its name.
    objects: () =>
      Object.fromEntries(
        Object.entries(lists).map(([name, list]) => [name, list()]),
      ) as unknown as WatchedObjects,
    get isSynced() {
      return unsynced.size === 0;
    },
    close: () => stop.abort(),
  };
}

type Follow = <Kind extends KubeObject>(
  type: ResourceType<Kind>,
  concernsUs?: (object: Kind) => boolean,
) => () => readonly Kind[];

function followKinds(follow: Follow): {
  readonly [Name in keyof WatchedObjects]: () => WatchedObjects[Name];
} {
  return {
    namespaces: follow<NamespaceObject>(namespaceResource),
    functions: follow<FunctionObject>(functionResource),
    revisions: follow<RevisionObject>(revisionResource),
    services: follow<ServiceObject>(serviceResource),
    serviceAccounts: follow<ServiceAccountObject>(serviceAccountResource),
    gateways: follow<GatewayObject>(gatewayResource),
    routes: follow<HttpRouteObject>(httpRouteResource),
    policies: follow<AuthorizationPolicyObject>(authorizationPolicyResource),
    peerAuthentications: follow<PeerAuthenticationObject>(peerAuthenticationResource),
    pods: follow<PodObject>(podResource),
    slices: follow<EndpointSliceObject>(endpointSliceResource, isKeptByOthers),
  };
}

/** What our own controller makes of selectors is translated from the Pods themselves, and changes with each of them. */
function isKeptByOthers({ metadata }: EndpointSliceObject): boolean {
  return metadata.labels?.[managedByLabel] !== manager;
}

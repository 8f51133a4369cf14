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

  function follow<Kind extends KubeObject>(type: ResourceType<Kind>): () => readonly Kind[] {
    const held = new Map<string, Kind>();
    let list: readonly Kind[] | undefined;
    unsynced.add(type.kind);
    options.client.watch(type, {
      signal: stop.signal,
      onEvent({ type: event, object }) {
        const key = keyText(object.metadata);
        if (event === "DELETED") held.delete(key);
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

  const namespaces = follow<NamespaceObject>(namespaceResource);
  const functions = follow<FunctionObject>(functionResource);
  const revisions = follow<RevisionObject>(revisionResource);
  const services = follow<ServiceObject>(serviceResource);
  const serviceAccounts = follow<ServiceAccountObject>(serviceAccountResource);
  const gateways = follow<GatewayObject>(gatewayResource);
  const routes = follow<HttpRouteObject>(httpRouteResource);
  const policies = follow<AuthorizationPolicyObject>(authorizationPolicyResource);
  const peerAuthentications = follow<PeerAuthenticationObject>(peerAuthenticationResource);
  const pods = follow<PodObject>(podResource);
  return {
    objects: () => ({
      namespaces: namespaces(),
      functions: functions(),
      revisions: revisions(),
      services: services(),
      serviceAccounts: serviceAccounts(),
      gateways: gateways(),
      routes: routes(),
      policies: policies(),
      peerAuthentications: peerAuthentications(),
      pods: pods(),
    }),
    get isSynced() {
      return unsynced.size === 0;
    },
    close: () => stop.abort(),
  };
}

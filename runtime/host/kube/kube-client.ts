/** The Kubernetes API as a port: what programs ask of it, whether over HTTPS or in the same process. */
import { isNotFound } from "./kube-error.ts";
import type { Draft, KubeList, KubeObject, ObjectKey, ResourceType } from "./object.ts";

/** Which objects of a resource type. */
export interface Selection {
  /** Absent: all namespaces. */
  readonly namespace?: string;
  /** `app=web,tier in (a,b),!legacy`. */
  readonly labelSelector?: string;
  /** `metadata.name=web`. */
  readonly fieldSelector?: string;
}

/** Which objects, and how many at a time. */
export interface ListOptions extends Selection {
  readonly limit?: number;
  /** From the page before. */
  readonly continue?: string;
}

/** A change described, not made. */
export type Patch =
  | { readonly kind: "merge" | "strategic"; readonly value: unknown }
  | { readonly kind: "json"; readonly value: readonly unknown[] };

/** How to delete. */
export interface DeleteOptions {
  /** What becomes of what the object owns. Default Background. */
  readonly propagationPolicy?: "Background" | "Foreground" | "Orphan";
  /** Only this very object. */
  readonly uid?: string;
  /** Only in this version. */
  readonly resourceVersion?: string;
  /** Seconds a Pod has to end; 0: it is gone already. Default its own. */
  readonly gracePeriodSeconds?: number;
}

/** An object appeared, changed or went. */
export interface ObjectEvent<Kind extends KubeObject> {
  readonly type: "ADDED" | "MODIFIED" | "DELETED";
  /** As it is now; for DELETED as it last was. */
  readonly object: Kind;
}

/** What a watch tells. Handlers run in order; what they throw goes to `onError` and ends nothing. */
export interface WatchOptions<Kind extends KubeObject> extends Selection {
  onEvent(event: ObjectEvent<Kind>): void;
  /** Once, when everything that existed at the start has been told. */
  onSync?(): void;
  /** A failed attempt; it is tried again with backoff. */
  onError?(error: unknown): void;
  /** Ends the watch. */
  readonly signal: AbortSignal;
}

/**
 * Reads and writes objects.
 * Every method but `watch` throws KubeError when the API refuses and MeshError when it cannot be reached.
 */
export interface KubeClient {
  get<Kind extends KubeObject>(type: ResourceType<Kind>, key: ObjectKey): Promise<Kind>;
  list<Kind extends KubeObject>(type: ResourceType<Kind>, options?: ListOptions): Promise<KubeList<Kind>>;
  create<Kind extends KubeObject>(type: ResourceType<Kind>, draft: Draft<Kind>): Promise<Kind>;
  /** Replaces the object at the version it carries; refused with Conflict when another came first. */
  update<Kind extends KubeObject>(type: ResourceType<Kind>, object: Kind): Promise<Kind>;
  /** Changes everything but `status`. */
  patch<Kind extends KubeObject>(type: ResourceType<Kind>, key: ObjectKey, patch: Patch): Promise<Kind>;
  /** Changes `status` only. */
  patchStatus<Kind extends KubeObject>(type: ResourceType<Kind>, key: ObjectKey, patch: Patch): Promise<Kind>;
  delete(type: ResourceType, key: ObjectKey, options?: DeleteOptions): Promise<void>;
  /** Tells what exists and then every change, through lost connections and expired history, until aborted. */
  watch<Kind extends KubeObject>(type: ResourceType<Kind>, options: WatchOptions<Kind>): void;
}

/** The object, or undefined when there is none. */
export async function findObject<Kind extends KubeObject>(
  client: KubeClient,
  type: ResourceType<Kind>,
  key: ObjectKey,
): Promise<Kind | undefined> {
  try {
    return await client.get(type, key);
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}

/** The shapes every Kubernetes object shares, as read and as written; nothing about any one kind. */

/** One owner of an object: when all of them are gone, so is it. */
export interface OwnerReference {
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
  readonly uid: string;
  readonly controller?: boolean;
  readonly blockOwnerDeletion?: boolean;
}

/** Metadata of a stored object. */
export interface ObjectMeta {
  readonly name: string;
  /** Absent for objects of no namespace. */
  readonly namespace?: string;
  readonly generateName?: string;
  readonly uid: string;
  /** Opaque to clients; here a decimal number that only grows. */
  readonly resourceVersion: string;
  /** Counts changes of what the user wishes for; absent for kinds that do not count. */
  readonly generation?: number;
  readonly creationTimestamp: string;
  /** Present once deletion was asked for and a finalizer holds it up. */
  readonly deletionTimestamp?: string;
  readonly deletionGracePeriodSeconds?: number;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly ownerReferences?: readonly OwnerReference[];
  readonly finalizers?: readonly string[];
  /** Who owns which fields. */
  readonly managedFields?: readonly Readonly<Record<string, unknown>>[];
}

/** Metadata of a stored object of a namespace. */
export interface NamespacedMeta extends ObjectMeta {
  readonly namespace: string;
}

/** Any object as the API returns it. */
export interface KubeObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: ObjectMeta;
}

/** Metadata as a client writes it: the server fills in the rest. */
export interface DraftMeta {
  /** Or `generateName`. */
  readonly name?: string;
  readonly generateName?: string;
  readonly namespace?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly ownerReferences?: readonly OwnerReference[];
  readonly finalizers?: readonly string[];
}

/** An object as a client creates it; `apiVersion` and `kind` are filled in from its resource type. */
export type Draft<Kind extends KubeObject> = Omit<Kind, "apiVersion" | "kind" | "metadata"> & {
  readonly apiVersion?: string;
  readonly kind?: string;
  readonly metadata: DraftMeta;
};

/** One page of a list. */
export interface KubeList<Kind extends KubeObject> {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    /** Where a watch continues from. */
    readonly resourceVersion: string;
    /** Present when there is a next page. */
    readonly continue?: string;
    readonly remainingItemCount?: number;
  };
  readonly items: readonly Kind[];
}

/** Where objects of a kind live in the API, and by its type parameter what they look like. */
export interface ResourceType<Kind extends KubeObject = KubeObject> {
  /** Empty for the core group. */
  readonly group: string;
  readonly version: string;
  /** Plural, as in paths. */
  readonly resource: string;
  readonly kind: string;
  readonly namespaced: boolean;
  /** Never set: it only carries the type. */
  readonly objects?: Kind;
}

/** What names one object of a resource type. */
export interface ObjectKey {
  /** Absent for resources of no namespace. */
  readonly namespace?: string;
  readonly name: string;
}

/** One wrong field in a Status. */
export interface StatusCause {
  readonly reason?: string;
  readonly message: string;
  /** Path of the field, `spec.scale.max`. */
  readonly field?: string;
}

/** The API's answer when it does not return an object. */
export interface Status {
  readonly apiVersion: "v1";
  readonly kind: "Status";
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly status: "Success" | "Failure";
  readonly message?: string;
  /** Machine-readable, `NotFound`. */
  readonly reason?: string;
  readonly details?: {
    readonly name?: string;
    readonly group?: string;
    readonly kind?: string;
    readonly uid?: string;
    readonly causes?: readonly StatusCause[];
    readonly retryAfterSeconds?: number;
  };
  readonly code?: number;
}

/** One line of a watch. */
export type WatchEvent<Kind extends KubeObject = KubeObject> =
  | { readonly type: "ADDED" | "MODIFIED" | "DELETED"; readonly object: Kind }
  | { readonly type: "BOOKMARK"; readonly object: KubeObject }
  | { readonly type: "ERROR"; readonly object: Status };

/** `v1`, `apps/v1`. */
export function apiVersionOf(type: { readonly group: string; readonly version: string }): string {
  return type.group === "" ? type.version : `${type.group}/${type.version}`;
}

/** `namespace/name`, or `name` where there is no namespace. */
export function keyText(key: ObjectKey): string {
  return key.namespace === undefined ? key.name : `${key.namespace}/${key.name}`;
}

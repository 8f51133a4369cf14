/** Deleting an object: at once, or once its finalizers have let go. What it owns is the garbage collector's. */
import type { DeleteOptions } from "#host/kube/kube-client.ts";
import { jsonEqual } from "./json.ts";
import type { Transaction } from "./object-store.ts";
import { conflict, forbidden, notFound } from "./refusal.ts";
import { isReleased } from "./update-object.ts";
import type { WorkingObject } from "./working-object.ts";
import { type Target, timestamp, type WriteContext } from "./write-context.ts";

/** Holds an object until what it owns is deleted. */
export const foregroundFinalizer = "foregroundDeletion";
/** Holds an object until what it owns has forgotten it. */
export const orphanFinalizer = "orphan";

/** A deletion of one object. */
export interface DeleteRequest {
  readonly target: Target;
  readonly name: string;
  readonly options: DeleteOptions & { readonly dryRun?: boolean };
}

/** What became of the object. */
export interface Deleted {
  readonly object: WorkingObject;
  /** False while finalizers hold it. */
  readonly isGone: boolean;
}

/**
 * Deletes an object, or asks its finalizers to.
 * @throws KubeError with the reason.
 */
export function deleteObject(context: WriteContext, request: DeleteRequest): Deleted {
  const run = (tx: Transaction): Deleted => deleteIn(tx, context, request);
  return request.options.dryRun === true ? context.store.rehearse(run) : context.store.write(run);
}

/** Deletes within a transaction that is open already. */
export function deleteIn(tx: Transaction, context: WriteContext, request: DeleteRequest): Deleted {
  const { target, name } = request;
  const { kind } = target;
  const old = tx.read({ group: kind.group, resource: kind.resource, namespace: target.namespace, name });
  if (old === undefined) throw notFound(kind, name);
  checkPreconditions(request, old);
  const why = kind.rules.whyKept?.(old);
  if (why !== undefined) throw forbidden(kind, name, why);
  const next = structuredClone(old);
  const finalizers = withPolicy(next.metadata.finalizers ?? [], request.options.propagationPolicy);
  if (finalizers.length > 0) next.metadata.finalizers = finalizers;
  else delete next.metadata.finalizers;
  if (next.metadata.deletionTimestamp === undefined) {
    next.metadata.deletionTimestamp = timestamp(context.nowMs());
    next.metadata.deletionGracePeriodSeconds = 0;
    if (kind.countsGeneration) next.metadata.generation = (next.metadata.generation ?? 0) + 1;
    kind.rules.onDeletionStart?.(next);
  }
  if (isReleased(target, next)) {
    tx.remove(kind, old);
    return { object: old, isGone: true };
  }
  if (!jsonEqual(next, old)) tx.put(kind, next, old);
  return { object: next, isGone: false };
}

function checkPreconditions(request: DeleteRequest, old: WorkingObject): void {
  const { uid, resourceVersion } = request.options;
  if (uid !== undefined && uid !== old.metadata.uid) {
    const why = `Precondition failed: UID in precondition: ${uid}, UID in object meta: ${old.metadata.uid}`;
    throw conflict(request.target.kind, request.name, why);
  }
  if (resourceVersion !== undefined && resourceVersion !== old.metadata.resourceVersion) {
    const why = `Precondition failed: ResourceVersion in precondition: ${resourceVersion}, ResourceVersion in object meta: ${old.metadata.resourceVersion}`;
    throw conflict(request.target.kind, request.name, why);
  }
}

function withPolicy(
  finalizers: readonly string[],
  policy: DeleteOptions["propagationPolicy"],
): readonly string[] {
  if (policy === undefined) return finalizers;
  const others = finalizers.filter((name) => name !== foregroundFinalizer && name !== orphanFinalizer);
  switch (policy) {
    case "Background":
      return others;
    case "Foreground":
      return [...others, foregroundFinalizer];
    case "Orphan":
      return [...others, orphanFinalizer];
  }
}

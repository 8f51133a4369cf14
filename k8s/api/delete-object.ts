/** Deleting an object: at once, or once its finalizers have let go. What it owns is the garbage collector's. */
import type { DeleteOptions } from "#host/kube/kube-client.ts";
import { jsonEqual } from "./json.ts";
import type { KindDefinition } from "./kind.ts";
import type { Transaction } from "./object-store.ts";
import { conflict, forbidden, notFound } from "./refusal.ts";
import { isReleased } from "./update-object.ts";
import type { WorkingObject } from "./working-object.ts";
import { type Target, timestamp, type WriteContext, type WriteSteps } from "./write-context.ts";

/** Holds an object until what it owns is deleted. */
export const foregroundFinalizer = "foregroundDeletion";
/** Holds an object until what it owns has forgotten it. */
export const orphanFinalizer = "orphan";

/** A deletion of one object. */
export interface DeleteRequest {
  readonly target: Target;
  readonly name: string;
  readonly options: DeleteOptions & { readonly dryRun?: boolean; readonly steps?: WriteSteps };
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
  checkMayGo(request, old);
  request.options.steps?.confirm?.({ target, object: old, old });
  const next = structuredClone(old);
  setFinalizers(next, request.options.propagationPolicy ?? kind.rules.propagation);
  const graceSeconds = kind.rules.graceSeconds?.(next, request.options.gracePeriodSeconds);
  if (next.metadata.deletionTimestamp === undefined) startDeletion(context, kind, next, graceSeconds ?? 0);
  else shortenGrace(next, graceSeconds ?? 0);
  if (isReleased(target, next)) {
    // One that had no time to end is told as it was, one that had as it ended.
    const last = graceSeconds === undefined ? old : next;
    tx.remove(kind, last);
    return { object: last, isGone: true };
  }
  if (!jsonEqual(next, old)) tx.put(kind, next, old);
  return { object: next, isGone: false };
}

function setFinalizers({ metadata }: WorkingObject, policy: DeleteOptions["propagationPolicy"]): void {
  const finalizers = withPolicy(metadata.finalizers ?? [], policy);
  if (finalizers.length > 0) metadata.finalizers = finalizers;
  else delete metadata.finalizers;
}

function startDeletion(
  ...[context, kind, object, graceSeconds]: [WriteContext, KindDefinition, WorkingObject, number]
): void {
  const meta = object.metadata;
  meta.deletionTimestamp = timestamp(context.nowMs() + graceSeconds * 1000);
  meta.deletionGracePeriodSeconds = graceSeconds;
  if (kind.countsGeneration) meta.generation = (meta.generation ?? 0) + 1;
  kind.rules.onDeletionStart?.(object);
}

/** A later deletion may only hurry an earlier one. */
function shortenGrace({ metadata }: WorkingObject, graceSeconds: number): void {
  const { deletionTimestamp = "", deletionGracePeriodSeconds: before = 0 } = metadata;
  if (graceSeconds >= before) return;
  metadata.deletionTimestamp = timestamp(Date.parse(deletionTimestamp) - (before - graceSeconds) * 1000);
  metadata.deletionGracePeriodSeconds = graceSeconds;
}

function checkMayGo(request: DeleteRequest, old: WorkingObject): void {
  checkPreconditions(request, old);
  const { kind } = request.target;
  const why = kind.rules.whyKept?.(old);
  if (why !== undefined) throw forbidden(kind, request.name, why);
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

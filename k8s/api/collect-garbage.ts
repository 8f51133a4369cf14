/** Owner references: what becomes of objects when their owners go, in the background, in the foreground, or orphaned. */
import { deleteIn, foregroundFinalizer, orphanFinalizer } from "./delete-object.ts";
import { deleteRows, type JobContext, objectsPerStep, targetOf } from "./finalize.ts";
import type { Job } from "./job-queue.ts";
import { ownersOf } from "./change.ts";
import { parseRow } from "./object-store.ts";
import type { Row } from "./store-statements.ts";
import { isReleased } from "./update-object.ts";
import type { WorkingObject } from "./working-object.ts";

/** After an owner went: its dependents go too, unless another owner holds them. */
export function collectDependents(context: JobContext, owner: string): Job {
  let after = "";
  return {
    name: `dependents ${owner}`,
    run() {
      const rows = context.store.dependentsOf(owner, after, objectsPerStep);
      after = rows.at(-1)?.uid ?? "";
      deleteRows(
        context,
        rows.filter((row) => !hasOwner(context, row)),
      );
      for (const row of rows.filter((candidate) => hasOwner(context, candidate))) forget(context, row, owner);
      return rows.length === objectsPerStep;
    },
  };
}

/** After an object was written that names owners: when none of them exists, it goes. */
export function collectIfOrphaned(context: JobContext, uid: string): Job {
  return {
    name: `owners ${uid}`,
    run() {
      const row = context.store.byUid(uid);
      if (row === undefined || ownersOf(parseRow(row)).length === 0 || hasOwner(context, row)) return false;
      deleteRows(context, [row]);
      return false;
    },
  };
}

/** While an owner is held for the sake of what it owns: orphans that, or deletes it first. */
export function propagateDeletion(context: JobContext, uid: string): Job {
  let after = "";
  return {
    name: `propagate ${uid}`,
    run() {
      const row = context.store.byUid(uid);
      const finalizer = row === undefined ? undefined : heldBy(row);
      if (row === undefined || finalizer === undefined) return false;
      const deal = finalizer === orphanFinalizer ? forget : deleteInForeground;
      const rows = context.store.dependentsOf(uid, after, objectsPerStep);
      after = rows.at(-1)?.uid ?? "";
      for (const dependent of rows) deal(context, dependent, uid);
      if (rows.length === objectsPerStep) return true;
      if (finalizer === foregroundFinalizer && isBlocked(context, uid)) return false;
      letGo(context, row, finalizer);
      return false;
    },
  };
}

/** Which of the collector's finalizers holds an object that is being deleted. */
function heldBy(row: Row): typeof orphanFinalizer | typeof foregroundFinalizer | undefined {
  const { finalizers = [], deletionTimestamp } = parseRow(row).metadata;
  if (deletionTimestamp === undefined) return undefined;
  if (finalizers.includes(orphanFinalizer)) return orphanFinalizer;
  return finalizers.includes(foregroundFinalizer) ? foregroundFinalizer : undefined;
}

/** Whether an owner of the object exists where it may be: in the object's namespace, or in none. */
function hasOwner(context: JobContext, row: Row): boolean {
  return ownersOf(parseRow(row)).some((uid) => {
    const owner = context.store.byUid(uid);
    return owner !== undefined && (owner.namespace === "" || owner.namespace === row.namespace);
  });
}

/** Whether a dependent holds up its owner's deletion. */
function isBlocked(context: JobContext, owner: string): boolean {
  let after = "";
  for (;;) {
    const rows = context.store.dependentsOf(owner, after, objectsPerStep);
    if (rows.some((row) => blocks(parseRow(row), owner))) return true;
    if (rows.length < objectsPerStep) return false;
    after = rows.at(-1)?.uid ?? "";
  }
}

function blocks(dependent: WorkingObject, owner: string): boolean {
  return (dependent.metadata.ownerReferences ?? []).some(
    (reference) => reference.uid === owner && reference.blockOwnerDeletion === true,
  );
}

function deleteInForeground(context: JobContext, row: Row, owner: string): void {
  const target = targetOf(context, row);
  const object = parseRow(row);
  const others = ownersOf(object).filter((uid) => uid !== owner);
  if (target === undefined || object.metadata.deletionTimestamp !== undefined) return;
  if (others.some((uid) => context.store.byUid(uid) !== undefined)) {
    forget(context, row, owner);
    return;
  }
  const isOwner = context.store.dependentsOf(row.uid, "", 1).length > 0;
  const propagationPolicy = isOwner ? "Foreground" : "Background";
  context.store.write((tx) =>
    deleteIn(tx, context, { target, name: row.name, options: { propagationPolicy, uid: row.uid } }),
  );
}

function forget(context: JobContext, row: Row, owner: string): void {
  change(context, row, (object) => {
    const rest = (object.metadata.ownerReferences ?? []).filter((reference) => reference.uid !== owner);
    if (rest.length > 0) object.metadata.ownerReferences = rest;
    else delete object.metadata.ownerReferences;
  });
}

function letGo(context: JobContext, row: Row, finalizer: string): void {
  change(context, row, (object) => {
    const rest = (object.metadata.finalizers ?? []).filter((held) => held !== finalizer);
    if (rest.length > 0) object.metadata.finalizers = rest;
    else delete object.metadata.finalizers;
  });
}

function change(context: JobContext, row: Row, apply: (object: WorkingObject) => void): void {
  const target = targetOf(context, row);
  if (target === undefined) return;
  context.store.write((tx) => {
    const old = tx.read(row);
    if (old === undefined || old.metadata.uid !== row.uid) return;
    const next = structuredClone(old);
    apply(next);
    if (isReleased(target, next)) tx.remove(target.kind, next);
    else tx.put(target.kind, next, old);
  });
}

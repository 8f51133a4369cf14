/** Emptying what is being deleted: a Namespace of its content, a CustomResourceDefinition of its objects; then letting go of it. */
import { isNotFound } from "#host/kube/kube-error.ts";
import { namespaceFinalizer } from "./kinds/core-rules.ts";
import { definitionFinalizer, definitionResource, setTerminating } from "./kinds/definition-kind.ts";
import { deleteIn } from "./delete-object.ts";
import { arrayOr, objectOr } from "./json.ts";
import type { Job } from "./job-queue.ts";
import type { KindDefinition } from "./kind.ts";
import type { KindRegistry } from "./kind-registry.ts";
import { parseRow, type Transaction } from "./object-store.ts";
import type { Row } from "./store-statements.ts";
import { isReleased } from "./update-object.ts";
import type { WorkingObject } from "./working-object.ts";
import { type Target, timestamp, type WriteContext } from "./write-context.ts";

/** Objects deleted in one step. */
export const objectsPerStep = 100;

/** What the follow-up work needs. */
export interface JobContext extends WriteContext {
  readonly registry: KindRegistry;
}

const namespaces = { group: "", resource: "namespaces" } as const;

/** Empties a Namespace that is being deleted, in steps, and removes it when nothing is left. */
export function finalizeNamespace(context: JobContext, name: string): Job {
  let after = "";
  return {
    name: `namespace ${name}`,
    run() {
      const row = context.store.read({ ...namespaces, namespace: "", name });
      if (row === undefined || parseRow(row).metadata.deletionTimestamp === undefined) return false;
      const rows = context.store.contentOf(name, after, objectsPerStep);
      deleteRows(context, rows);
      after = rows.at(-1)?.uid ?? "";
      if (rows.length === objectsPerStep) return true;
      // What finalizers hold is looked at again when one of them lets go: its removal queues this job anew.
      if (context.store.contentOf(name, "", 1).length > 0) return false;
      release(context, { ...namespaces, name }, (namespace) => {
        const finalizers = arrayOr(objectOr(namespace["spec"])["finalizers"]);
        namespace["spec"] = { finalizers: finalizers.filter((held) => held !== namespaceFinalizer) };
      });
      return false;
    },
  };
}

/** Deletes the objects of a definition that is being deleted, in steps, and removes it when none is left. */
export function finalizeDefinition(context: JobContext, name: string): Job {
  let after = { namespace: "", name: "" };
  return {
    name: `definition ${name}`,
    run() {
      const row = context.store.read({ ...definitionResource, namespace: "", name });
      if (row === undefined) return false;
      const { metadata, spec } = parseRow(row);
      if (metadata.deletionTimestamp === undefined) return false;
      sayProgress(context, name);
      const of = { group: String(objectOr(spec)["group"]), resource: name.slice(0, name.indexOf(".")) };
      const rows = context.store.page(of, after, objectsPerStep);
      deleteRows(context, rows);
      const last = rows.at(-1);
      after =
        last === undefined ? { namespace: "", name: "" } : { namespace: last.namespace, name: last.name };
      if (rows.length === objectsPerStep) return true;
      if (context.store.page(of, { namespace: "", name: "" }, 1).length > 0) return false;
      release(context, { ...definitionResource, name }, (definition) => {
        const { finalizers = [] } = definition.metadata;
        definition.metadata.finalizers = finalizers.filter((held) => held !== definitionFinalizer);
      });
      return false;
    },
  };
}

function sayProgress(context: JobContext, name: string): void {
  const kind = context.registry.find(definitionResource.group, definitionResource.resource);
  if (kind === undefined) return;
  context.store.write((tx) => {
    const old = tx.read({ ...definitionResource, namespace: "", name });
    if (old === undefined) return;
    const next = structuredClone(old);
    const at = timestamp(context.nowMs());
    if (setTerminating(next, "InstanceDeletionInProgress", at)) tx.put(kind, next, old);
  });
}

/** Asks for the deletion of objects in one transaction; those that are gone or being deleted already are left. */
export function deleteRows(context: JobContext, rows: readonly Row[]): void {
  const waiting = rows.filter((row) => parseRow(row).metadata.deletionTimestamp === undefined);
  if (waiting.length === 0) return;
  context.store.write((tx) => {
    for (const row of waiting) {
      const target = targetOf(context, row);
      if (target === undefined) continue;
      deleteQuietly(tx, context, { target, name: row.name, uid: row.uid });
    }
  });
}

/** Where a stored object belongs, when its kind is served. */
export function targetOf(context: JobContext, row: Row): Target | undefined {
  const kind = context.registry.find(row.group, row.resource);
  return kind === undefined ? undefined : { kind, version: kind.storageVersion, namespace: row.namespace };
}

function deleteQuietly(
  tx: Transaction,
  context: JobContext,
  which: { readonly target: Target; readonly name: string; readonly uid: string },
): void {
  const options = { propagationPolicy: "Background", uid: which.uid } as const;
  try {
    deleteIn(tx, context, { target: which.target, name: which.name, options });
  } catch (error) {
    // Somebody else was quicker, which is what was wanted.
    if (!isNotFound(error)) throw error;
  }
}

function release(
  context: JobContext,
  which: { readonly group: string; readonly resource: string; readonly name: string },
  letGo: (object: WorkingObject) => void,
): void {
  const kind: KindDefinition | undefined = context.registry.find(which.group, which.resource);
  if (kind === undefined) return;
  context.store.write((tx) => {
    const old = tx.read({ ...which, namespace: "" });
    if (old === undefined) return;
    const next = structuredClone(old);
    letGo(next);
    if (isReleased({ kind, version: kind.storageVersion, namespace: "" }, next)) tx.remove(kind, next);
    else tx.put(kind, next, old);
  });
}

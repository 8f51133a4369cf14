/** Which jobs a committed change brings, and which are left from before a restart. The controllers that make this API more than a shelf. */
import { isAlreadyExists } from "#host/kube/kube-error.ts";
import { isRootConfigMap, publishRoot } from "./admission/publish-root.ts";
import { aggregateRoles } from "./authorization/aggregate-roles.ts";
import { rbacGroup } from "./authorization/role-index.ts";
import { collectDependents, collectIfOrphaned, propagateDeletion } from "./collect-garbage.ts";
import { createObject } from "./create-object.ts";
import { definitionResource } from "./kinds/definition-kind.ts";
import { recheckNames } from "./definitions/recheck-names.ts";
import { finalizeDefinition, finalizeNamespace, type JobContext, objectsPerStep } from "./finalize.ts";
import type { Job, JobQueue } from "./job-queue.ts";
import type { Change } from "./change.ts";
import { parseRow } from "./object-store.ts";

/** Queues what a change brings about. */
export function followUp(context: JobContext, queue: JobQueue, change: Change): void {
  followUpAlike(context, queue, change);
  if (change.type === "DELETED") {
    followUpDeletion(context, queue, change);
    return;
  }
  if (change.owners.length > 0) queue.add(collectIfOrphaned(context, change.uid));
  if (change.isDeleting) queue.add(propagateDeletion(context, change.uid));
  if (isNamespace(change)) {
    queue.add(
      change.isDeleting ? finalizeNamespace(context, change.name) : addDefaultAccount(context, change.name),
    );
    if (!change.isDeleting) queue.add(publishRoot(context, change.name));
  } else if (change.isDeleting && isDefinition(change)) {
    queue.add(finalizeDefinition(context, change.name));
  }
}

/** What follows whether an object came, changed or went. */
function followUpAlike(context: JobContext, queue: JobQueue, change: Change): void {
  if (isDefinition(change)) {
    queue.add(recheckNames(context, change.name.slice(change.name.indexOf(".") + 1)));
  }
  if (change.group === rbacGroup && change.resource === "clusterroles") queue.add(aggregation(context));
  if (isRootConfigMap(change)) queue.add(publishRoot(context, change.namespace));
}

function followUpDeletion(context: JobContext, queue: JobQueue, change: Change): void {
  queue.add(collectDependents(context, change.uid));
  for (const owner of change.owners) queue.add(propagateDeletion(context, owner));
  if (change.namespace !== "") queue.add(finalizeNamespace(context, change.namespace));
  if (isDefaultAccount(change)) queue.add(addDefaultAccount(context, change.namespace));
  const kind = context.registry.find(change.group, change.resource);
  if (kind !== undefined && context.registry.isTerminating(kind)) {
    queue.add(finalizeDefinition(context, `${change.resource}.${change.group}`));
  }
}

/** Queues what a process that ended left undone. */
export function followUpOnStart(context: JobContext, queue: JobQueue): void {
  for (const owner of context.store.missingOwners()) queue.add(collectDependents(context, owner));
  for (const name of namespaceNames(context)) queue.add(addDefaultAccount(context, name));
  for (const row of context.store.maybeDeleting()) {
    if (parseRow(row).metadata.deletionTimestamp === undefined) continue;
    queue.add(propagateDeletion(context, row.uid));
    if (isNamespace(row)) queue.add(finalizeNamespace(context, row.name));
    else if (isDefinition(row)) queue.add(finalizeDefinition(context, row.name));
  }
}

function* namespaceNames({ store }: JobContext): Generator<string, void> {
  let name: string | undefined = "";
  while (name !== undefined) {
    const rows = store.page({ group: "", resource: "namespaces" }, { namespace: "", name }, objectsPerStep);
    for (const row of rows) yield row.name;
    name = rows.at(-1)?.name;
  }
}

/** A changed ClusterRole may be part of others. */
function aggregation(context: JobContext): Job {
  return {
    name: "aggregated roles",
    run() {
      aggregateRoles(context);
      return false;
    },
  };
}

const account = { group: "", resource: "serviceaccounts", name: "default" } as const;

/** Every namespace has a ServiceAccount `default`. */
function addDefaultAccount(context: JobContext, namespace: string): Job {
  return {
    name: `account ${namespace}`,
    run() {
      const kind = context.registry.find(account.group, account.resource);
      const home = context.store.read({ group: "", resource: "namespaces", namespace: "", name: namespace });
      if (kind === undefined || home === undefined) return false;
      if (parseRow(home).metadata.deletionTimestamp !== undefined) return false;
      if (context.store.read({ ...account, namespace }) !== undefined) return false;
      try {
        const target = { kind, version: kind.storageVersion, namespace };
        createObject(context, target, { metadata: { name: account.name } });
      } catch (error) {
        // Somebody else was quicker, which is what was wanted.
        if (!isAlreadyExists(error)) throw error;
      }
      return false;
    },
  };
}

function isDefaultAccount(change: Change): boolean {
  return (
    change.group === account.group && change.resource === account.resource && change.name === account.name
  );
}

function isNamespace(row: { readonly group: string; readonly resource: string }): boolean {
  return row.group === "" && row.resource === "namespaces";
}

function isDefinition(row: { readonly group: string; readonly resource: string }): boolean {
  return row.group === definitionResource.group && row.resource === definitionResource.resource;
}

/** Changing an object, or its status: against the version the client saw, with what only the system may set left alone. */
import { apiVersionOf } from "#host/kube/object.ts";
import type { Managers } from "./apply/managers.ts";
import { keepTimes, recordUpdate, setManagers } from "./apply/record-writer.ts";
import { isJsonObject, jsonEqual, type JsonObject, objectOr } from "./json.ts";
import { fixedFaults } from "./fixed-fields.ts";
import { findVersion, type KindDefinition } from "./kind.ts";
import { deletionFaults, keepSystemFields, lateFinalizerFaults } from "./metadata.ts";
import { metadataFaults } from "./metadata-faults.ts";
import type { Transaction } from "./object-store.ts";
import { asObjectOf, readBySchema } from "./read-body.ts";
import { type FieldFault, invalid, notFound } from "./refusal.ts";
import { checkSameObject } from "./same-object.ts";
import type { WorkingObject } from "./working-object.ts";
import type { Target, WriteContext, WriteOptions, Written } from "./write-context.ts";

/** A change of one object. */
export interface UpdateRequest {
  readonly target: Target;
  readonly name: string;
  /** Makes the new object of the old one, as the client sees it; the old one is a copy of its own. */
  readonly change: (old: WorkingObject) => unknown;
  /** Whether the new object must name the version it replaces, where its kind asks for it. */
  readonly replaces: boolean;
  readonly options: WriteOptions;
  /** Owners of the changed object, where they are known already; asked for once `change` was called. */
  readonly managers?: () => Managers;
}

/**
 * Changes an object.
 * @throws KubeError with the reason.
 */
export function updateObject(context: WriteContext, request: UpdateRequest): Written {
  const run = (tx: Transaction): Written => updateIn(tx, context, request);
  return request.options.dryRun === true ? context.store.rehearse(run) : context.store.write(run);
}

/** Changes within a transaction that is open already. */
export function updateIn(tx: Transaction, context: WriteContext, request: UpdateRequest): Written {
  const { target, options, name } = request;
  const { kind } = target;
  const old = tx.read({ group: kind.group, resource: kind.resource, namespace: target.namespace, name });
  if (old === undefined) throw notFound(kind, name);
  const seen = structuredClone(old);
  seen.apiVersion = apiVersionOf({ group: kind.group, version: target.version });
  const incoming = asObjectOf(target, request.change(seen));
  checkSameObject(request, incoming.metadata, old.metadata);
  const { managedFields } = incoming.metadata;
  const isStatus = options.subresource === "status";
  const next = isStatus ? withStatus(request, incoming, old) : withoutStatus(request, incoming, old);
  const warnings = check(request, { next, old, sent: objectOr(incoming.metadata) });
  kind.rules.onRead?.(next);
  setOwners(context, request, { old, next, asked: managedFields });
  const faults = kind.rules.onUpdate?.(next, old, { tx, random: context.random }) ?? [];
  refuseIfAny(request, [...faults, ...(isStatus ? [] : fixedFaults(kind, next, old))]);
  options.steps?.confirm?.({ target, object: next, old });
  next.apiVersion = apiVersionOf({ group: kind.group, version: kind.storageVersion });
  countGeneration(kind, next, old);
  store(tx, request, next, old);
  return { object: next, warnings: [...warnings, ...(kind.rules.warnings?.(next) ?? [])] };
}

function setOwners(
  context: WriteContext,
  request: UpdateRequest,
  change: { readonly old: WorkingObject; readonly next: WorkingObject; readonly asked: unknown },
): void {
  const { target, options, managers } = request;
  if (managers !== undefined) setManagers(change.next, managers());
  else recordUpdate({ target, options, nowMs: context.nowMs() }, change, change.asked);
}

function countGeneration(kind: KindDefinition, next: WorkingObject, old: WorkingObject): void {
  if (!kind.countsGeneration || jsonEqual(wishOf(kind, next), wishOf(kind, old))) return;
  next.metadata.generation = (old.metadata.generation ?? 0) + 1;
}

function store(
  ...[tx, { target, options }, next, old]: [Transaction, UpdateRequest, WorkingObject, WorkingObject]
): void {
  keepTimes(next, old);
  if (isReleased(target, next)) tx.remove(target.kind, next);
  else if (!jsonEqual(next, old)) tx.put(target.kind, next, old);
  // What is only tried has no version of its own.
  if (options.dryRun === true) next.metadata.resourceVersion = old.metadata.resourceVersion;
}

/** Whether an object whose deletion was asked for is held by nothing any more. */
export function isReleased(target: Target, object: WorkingObject): boolean {
  const {
    deletionTimestamp,
    deletionGracePeriodSeconds: graceSeconds = 0,
    finalizers = [],
  } = object.metadata;
  return (
    deletionTimestamp !== undefined &&
    graceSeconds === 0 &&
    finalizers.length === 0 &&
    target.kind.rules.isHeld?.(object) !== true
  );
}

function check(
  request: UpdateRequest,
  change: { readonly next: WorkingObject; readonly old: WorkingObject; readonly sent: JsonObject },
): readonly string[] {
  const { target, options, replaces } = request;
  const { next, old, sent } = change;
  const incoming = { object: next, metadata: sent, isPatched: !replaces };
  let { faults, warnings } = readBySchema(target, incoming, options);
  if (options.steps?.prepare?.({ target, object: next, old }) === true) {
    ({ faults, warnings } = readBySchema(target, { ...incoming, object: next }, options));
  }
  const judged = findVersion(target.kind, target.version)?.schema?.judge(next, old, faults) ?? [];
  const metaFaults = [
    ...metadataFaults(target.kind, next),
    ...deletionFaults(sent, old.metadata),
    ...lateFinalizerFaults(next.metadata, old.metadata),
  ];
  refuseIfAny(request, [...metaFaults, ...faults, ...judged]);
  return warnings;
}

/** A status belongs to the object's metadata for the built-in kinds; a defined kind's status comes alone. */
function withStatus(request: UpdateRequest, incoming: WorkingObject, old: WorkingObject): WorkingObject {
  const next: WorkingObject = { ...structuredClone(old), apiVersion: incoming.apiVersion };
  setStatus(next, incoming["status"]);
  if (request.target.kind.isCustom) return next;
  const { ownerReferences: _owners, ...metadata } = withKeptFields(incoming, old);
  const { ownerReferences } = old.metadata;
  next.metadata = { ...metadata, ...(ownerReferences === undefined ? {} : { ownerReferences }) };
  return next;
}

function withoutStatus(request: UpdateRequest, incoming: WorkingObject, old: WorkingObject): WorkingObject {
  const next: WorkingObject = { ...incoming, metadata: withKeptFields(incoming, old) };
  if (request.target.kind.hasStatus) setStatus(next, old["status"]);
  return next;
}

function setStatus(object: WorkingObject, status: unknown): void {
  if (status === undefined) delete object["status"];
  else object["status"] = structuredClone(status);
}

function withKeptFields(incoming: WorkingObject, old: WorkingObject): WorkingObject["metadata"] {
  const metadata: unknown = incoming.metadata;
  return isJsonObject(metadata) ? keepSystemFields(incoming.metadata, old.metadata) : old.metadata;
}

function refuseIfAny(request: UpdateRequest, faults: readonly FieldFault[]): void {
  if (faults.length > 0) throw invalid(request.target.kind, request.name, faults);
}

/** What the user wishes for: all but metadata and status; of a Deployment annotations as well, as ever in Kubernetes. */
function wishOf({ group, resource }: KindDefinition, object: WorkingObject): JsonObject {
  const { apiVersion: _version, kind: _kind, metadata, status: _status, ...wish } = object;
  const countsNotes = group === "apps" && resource === "deployments";
  return countsNotes ? { ...wish, annotations: metadata.annotations ?? {} } : wish;
}

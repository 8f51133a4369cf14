/** Creating an object: named, checked, stored once. */
import { apiVersionOf } from "#host/kube/object.ts";
import { addAccountVolume } from "./admission/account-volume.ts";
import type { Managers } from "./apply/managers.ts";
import { recordCreation, setManagers } from "./apply/record-writer.ts";
import { findVersion, type KindDefinition } from "./kind.ts";
import { freshMeta, generatedName } from "./metadata.ts";
import { metadataFaults } from "./metadata-faults.ts";
import { rowKeyOf, type Transaction } from "./object-store.ts";
import { asObjectOf, readBySchema } from "./read-body.ts";
import { alreadyExists, type FieldFault, forbidden, invalid, notFound, unexplained } from "./refusal.ts";
import type { WorkingMeta, WorkingObject } from "./working-object.ts";
import {
  type Target,
  timestamp,
  type WriteContext,
  type WriteOptions,
  type Written,
} from "./write-context.ts";

/** Names tried for `generateName` before giving up; with 14 million suffixes the second try is a rarity. */
const nameTriesMax = 8;

/** A creation of one object. */
export interface CreateRequest {
  readonly target: Target;
  readonly value: unknown;
  readonly options: WriteOptions;
  /** Its owners, where they are known already. */
  readonly managers?: Managers;
}

/**
 * Creates an object from a client's value, which is the caller's to give away.
 * @throws KubeError with the reason.
 */
export function createObject(
  context: WriteContext,
  target: Target,
  value: unknown,
  options: WriteOptions = {},
): Written {
  const run = (tx: Transaction): Written =>
    createIn(tx, context, { target, value: structuredClone(value), options });
  return options.dryRun === true ? context.store.rehearse(run) : context.store.write(run);
}

/** Creates within a transaction that is open already. */
export function createIn(tx: Transaction, context: WriteContext, request: CreateRequest): Written {
  const { target, options } = request;
  const { kind } = target;
  const object = asObjectOf(target, request.value);
  refuseVersion(object);
  checkNamespace(tx, target, object);
  setName(tx, context, target, object);
  if (kind.hasStatus && kind.bringsStatus !== true) delete object["status"];
  const warnings = readPrepared(target, object, options);
  const { managedFields } = object.metadata;
  object.metadata = madeMeta(context, request, object.metadata);
  kind.rules.onRead?.(object);
  setOwners(context, request, { object, asked: managedFields });
  addAccountVolume(tx, context, target, object);
  refuseIfAny(kind, object, kind.rules.onCreate?.(object, { tx, random: context.random }) ?? []);
  options.steps?.confirm?.({ target, object, old: undefined });
  if (tx.read(rowKeyOf(kind, object)) !== undefined) throw alreadyExists(kind, object.metadata.name);
  object.apiVersion = apiVersionOf({ group: kind.group, version: kind.storageVersion });
  tx.put(kind, object, undefined);
  if (options.dryRun === true) forgetVersion(object);
  return { object, warnings: [...warnings, ...(kind.rules.warnings?.(object) ?? [])] };
}

function madeMeta(
  context: WriteContext,
  { target, options }: CreateRequest,
  metadata: WorkingMeta,
): WorkingMeta {
  return freshMeta(metadata, {
    uid: options.steps?.uid ?? context.newUid(),
    at: timestamp(context.nowMs()),
    generation: target.kind.countsGeneration ? 1 : undefined,
  });
}

/** Reads and checks an object, and once more what admission made of it. */
function readPrepared(target: Target, object: WorkingObject, options: WriteOptions): readonly string[] {
  const read = (): ReturnType<typeof readBySchema> =>
    readBySchema(target, { object, metadata: object.metadata, isPatched: false }, options);
  let { faults, warnings } = read();
  if (options.steps?.prepare?.({ target, object, old: undefined }) === true) ({ faults, warnings } = read());
  const judged = findVersion(target.kind, target.version)?.schema?.judge(object, undefined, faults) ?? [];
  refuseIfAny(target.kind, object, [...metadataFaults(target.kind, object), ...faults, ...judged]);
  return warnings;
}

function setOwners(
  context: WriteContext,
  { target, options, managers }: CreateRequest,
  { object, asked }: { readonly object: WorkingObject; readonly asked: unknown },
): void {
  if (managers !== undefined) setManagers(object, managers);
  else recordCreation({ target, options, nowMs: context.nowMs() }, object, asked);
}

function refuseVersion({ metadata }: WorkingObject): void {
  if ((metadata.resourceVersion ?? "") === "") return;
  throw unexplained("resourceVersion should not be set on objects to be created");
}

/** What is only tried has no version. */
function forgetVersion(object: WorkingObject): void {
  const { resourceVersion: _, ...metadata } = object.metadata;
  // Sound: nobody stores it, and whoever asked reads it as JSON.
  object.metadata = metadata as WorkingMeta;
}

function refuseIfAny(kind: KindDefinition, object: WorkingObject, faults: readonly FieldFault[]): void {
  if (faults.length > 0) throw invalid(kind, object.metadata.name ?? "", faults);
}

function checkNamespace(tx: Transaction, target: Target, object: WorkingObject): void {
  if (!target.kind.namespaced) return;
  const name = target.namespace;
  const namespaces = { group: "", resource: "namespaces" };
  const namespace = tx.read({ ...namespaces, namespace: "", name });
  if (namespace === undefined) throw notFound(namespaces, name);
  if (namespace.metadata.deletionTimestamp === undefined) return;
  const why = `unable to create new content in namespace ${name} because it is being terminated`;
  throw forbidden(target.kind, object.metadata.name ?? "", why, [
    {
      reason: "NamespaceTerminating",
      message: `namespace ${name} is being terminated`,
      field: "metadata.namespace",
    },
  ]);
}

function setName(tx: Transaction, context: WriteContext, target: Target, object: WorkingObject): void {
  const { name, generateName } = object.metadata;
  if (name !== undefined && name !== "") return;
  if (typeof generateName !== "string" || generateName === "") return;
  for (let i = 0; i < nameTriesMax; i++) {
    object.metadata.name = generatedName(generateName, context.random);
    if (tx.read(rowKeyOf(target.kind, object)) === undefined) return;
  }
}

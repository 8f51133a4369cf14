/** Keeping `metadata.managedFields` of an object that is written, by whichever way but apply. */
import { apiVersionOf } from "#host/kube/object.ts";
import { jsonEqual, type JsonObject } from "../json.ts";
import { findVersion } from "../kind.ts";
import type { WorkingObject } from "../working-object.ts";
import { type Target, timestamp, type WriteOptions } from "../write-context.ts";
import { type FieldSet, fieldSet, noFields } from "./field-set.ts";
import {
  asksForReset,
  formatManagers,
  type Managers,
  nobody,
  parseManagers,
  sameButTimes,
} from "./managers.ts";
import { resourceSchema } from "./merge-schema.ts";
import { type OwnedWrite, ownersAfterUpdate } from "./ownership.ts";
import { skeletonOf } from "./skeleton.ts";

/** A write of one object, and who does it. */
export interface RecordedWrite {
  readonly target: Target;
  readonly options: WriteOptions;
  readonly nowMs: number;
}

/** What ownership needs to know of a write. */
export function ownedWrite(
  { target, options, nowMs }: RecordedWrite,
  writer: { readonly manager: string; readonly operation: "Apply" | "Update" },
): OwnedWrite {
  return {
    schema: mergeSchemaOf(target),
    writer: {
      ...writer,
      apiVersion: apiVersionOf({ group: target.kind.group, version: target.version }),
      subresource: options.subresource ?? "",
    },
    ignored: ignoredFields(target, options),
    at: timestamp(nowMs),
  };
}

/** Gives a new object its owner. Writes without a manager are nobody's. @param asked The entries that the client sent. */
export function recordCreation(write: RecordedWrite, object: WorkingObject, asked: unknown): void {
  const { manager } = write.options;
  if (manager === undefined) return;
  const managers = asksForReset(asked) ? nobody : (parseManagers(asked) ?? nobody);
  const owned = ownedWrite(write, { manager, operation: "Update" });
  setManagers(object, ownersAfterUpdate(owned, emptyObject(write.target), object, managers));
}

/** Gives what an update changed to its writer. @param asked The entries that the client sent. */
export function recordUpdate(
  write: RecordedWrite,
  objects: { readonly old: WorkingObject; readonly next: WorkingObject },
  asked: unknown,
): void {
  const { old, next } = objects;
  const { manager, subresource } = write.options;
  const managers = managersOf(old, subresource === undefined ? asked : undefined);
  if (manager === undefined || managers.size === 0) {
    setManagers(next, managers);
    return;
  }
  const owned = ownedWrite(write, { manager, operation: "Update" });
  setManagers(next, ownersAfterUpdate(owned, withoutManagers(old), withoutManagers(next), managers));
}

/** Takes back new times where nothing else is new: such a write changes nothing. */
export function keepTimes(next: WorkingObject, old: WorkingObject): void {
  const before = old.metadata.managedFields;
  if (before === undefined || !sameButTimes(next.metadata.managedFields, before)) return;
  if (jsonEqual(withoutManagers(next), withoutManagers(old))) next.metadata.managedFields = before;
}

/** An object without its entries. */
export function withoutManagers(object: WorkingObject): WorkingObject {
  const { managedFields: _, ...metadata } = object.metadata;
  return { ...object, metadata };
}

/** Writes the entries. */
export function setManagers(object: WorkingObject, managers: Managers): void {
  const entries = formatManagers(managers);
  if (entries === undefined) delete object.metadata.managedFields;
  else object.metadata.managedFields = entries;
}

/** An object of a kind before anybody wrote it. */
export function emptyObject({ kind, version }: Target): WorkingObject {
  const schema = findVersion(kind, version)?.schema?.declared;
  const skeleton = kind.isCustom ? {} : skeletonOf(resourceSchema(schema));
  // Sound: it stands for an object whose metadata say nothing yet, and is only compared with.
  return { ...skeleton, apiVersion: "", kind: "", metadata: {} } as unknown as WorkingObject;
}

/** The owners of an object; what a client sends in their place counts when it can be read and names any. */
function managersOf(old: WorkingObject, asked: unknown): Managers {
  if (asksForReset(asked)) return nobody;
  const wanted = parseManagers(asked) ?? nobody;
  return wanted.size > 0 ? wanted : (parseManagers(old.metadata.managedFields) ?? nobody);
}

function mergeSchemaOf({ kind, version }: Target): JsonObject {
  return resourceSchema(findVersion(kind, version)?.schema?.declared);
}

const statusField = fieldSet([["f:status"]]);
const specField = fieldSet([["f:spec"]]);

/** What a way of writing leaves alone, whatever it is sent. */
function ignoredFields({ kind }: Target, { subresource }: WriteOptions): FieldSet {
  if (subresource === "status") return kind.isCustom ? fieldSet([["f:spec"], ["f:metadata"]]) : specField;
  return kind.hasStatus ? statusField : noFields;
}

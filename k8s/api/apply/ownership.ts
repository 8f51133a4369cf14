/** Who owns what after a write: by an update whoever changed a field has it; by an apply whoever lists it. Pure: objects and owners in, owners out. */
import { jsonEqual, type JsonObject } from "../json.ts";
import { type Comparison, compareFields } from "./compare-fields.ts";
import {
  difference,
  differenceBelow,
  type FieldSet,
  fieldSet,
  intersection,
  isEmpty,
  noFields,
  union,
} from "./field-set.ts";
import { fieldsOf } from "./fields-of.ts";
import { fitManagers } from "./fit-schema.ts";
import { capped, type Managers, type Ownership, type Writer, writerKey } from "./managers.ts";
import { mergeConfig } from "./merge-config.ts";
import { removeFields, withNamedParents } from "./remove-fields.ts";

/** A write as it concerns ownership. */
export interface OwnedWrite {
  readonly schema: JsonObject;
  readonly writer: Writer;
  /** Fields that this way of writing does not set, whatever it is sent. */
  readonly ignored: FieldSet;
  readonly at: string;
}

/** Fields that another owner has at another value. */
export interface FieldConflict {
  readonly owner: Ownership;
  readonly fields: FieldSet;
}

/** What an apply leads to. */
export type Applied =
  | { readonly kind: "done"; readonly object: unknown; readonly managers: Managers }
  | { readonly kind: "conflicts"; readonly conflicts: readonly FieldConflict[] };

/** Fields that are nobody's: what names the object, and what the system writes. */
const systemFields: FieldSet = fieldSet([
  ["f:apiVersion"],
  ["f:kind"],
  ["f:metadata"],
  ...[
    "name",
    "namespace",
    "creationTimestamp",
    "selfLink",
    "uid",
    "clusterName",
    "generation",
    "managedFields",
    "resourceVersion",
  ].map((name) => ["f:metadata", `f:${name}`]),
]);

/** Owners after an update from one object to the next. */
export function ownersAfterUpdate(
  write: OwnedWrite,
  old: unknown,
  now: unknown,
  managers: Managers,
): Managers {
  const changes = changesOf(write, old, now);
  const left = takenFromOthers(fitManagers(managers, old, write.schema), changes, undefined);
  const taken = difference(union(changes.modified, changes.added), systemFields);
  if (isEmpty(taken)) return left;
  const key = writerKey(write.writer);
  const fields = union(left.get(key)?.fields ?? noFields, taken);
  return capped(new Map(left).set(key, { writer: write.writer, fields, at: write.at }));
}

/**
 * Applies a configuration to an object.
 * @param isForced Whether fields are taken from owners that have them at another value.
 * @throws UnmergeableError for a configuration that cannot be merged.
 */
export function applyConfig(
  write: OwnedWrite & { readonly isForced: boolean },
  live: unknown,
  config: unknown,
  known: Managers,
): Applied {
  const key = writerKey(write.writer);
  const managers = fitManagers(known, live, write.schema);
  const before = managers.get(key);
  const fields = differenceBelow(fieldsOf(config, write.schema), write.ignored);
  // With what names the object, which keeps its metadata from going along with the last label.
  const mine: Ownership = { writer: write.writer, fields };
  const claimed = new Map(managers).set(key, mine);
  const merged = mergeConfig(live, config, write.schema);
  const object = prune(write.schema, merged, { managers: claimed, last: before?.fields ?? noFields });
  const changes = changesOf(write, live, object);
  const conflicts = conflictsWith(managers, changes, key);
  if (conflicts.length > 0 && !write.isForced) return { kind: "conflicts", conflicts };
  const left = new Map(takenFromOthers(claimed, changes, key));
  // The time is that of the last change: an apply that only shares what is there has none.
  const time = jsonEqual(live, object) ? before?.at : write.at;
  const kept = difference(fields, systemFields);
  if (isEmpty(kept)) left.delete(key);
  else left.set(key, { ...mine, fields: kept, ...(time === undefined ? {} : { at: time }) });
  return { kind: "done", object, managers: left };
}

function changesOf(write: OwnedWrite, old: unknown, now: unknown): Comparison {
  const { added, modified, removed } = compareFields(old, now, write.schema);
  return {
    added: differenceBelow(added, write.ignored),
    modified: differenceBelow(modified, write.ignored),
    removed: differenceBelow(removed, write.ignored),
  };
}

function conflictsWith(managers: Managers, changes: Comparison, self: string): readonly FieldConflict[] {
  const written = union(changes.modified, changes.added);
  return [...managers].flatMap(([key, owner]) => {
    const fields = intersection(owner.fields, written);
    return key === self || isEmpty(fields) ? [] : [{ owner, fields }];
  });
}

/** Owners without what was changed or removed under them; those of nothing are no owners. */
function takenFromOthers(managers: Managers, changes: Comparison, self: string | undefined): Managers {
  const written = union(changes.modified, changes.added);
  const left = new Map<string, Ownership>();
  for (const [key, owner] of managers) {
    const lost = key === self ? noFields : union(intersection(owner.fields, written), changes.removed);
    const fields = difference(owner.fields, lost);
    if (!isEmpty(fields)) left.set(key, { ...owner, fields });
  }
  return left;
}

interface Pruning {
  readonly managers: Managers;
  /** What the applier owned before. */
  readonly last: FieldSet;
}

/** The merged object without what its applier had applied, does not apply any more, and nobody else owns. */
function prune(schema: JsonObject, merged: unknown, { managers, last }: Pruning): unknown {
  if (isEmpty(last)) return merged;
  const lastNamed = withNamedParents(last, schema);
  const all = withNamedParents(fieldsOf(merged, schema), schema);
  let owned = noFields;
  for (const owner of managers.values()) owned = union(owned, owner.fields);
  const bare = removeFields(merged, lastNamed, schema);
  const bareFields = withNamedParents(fieldsOf(bare, schema), schema);
  const kept = union(bareFields, withNamedParents(owned, schema));
  const pruned = removeFields(merged, difference(all, kept), schema);
  // What went along though it was never the applier's comes back: only what it had owned may go.
  const prunedFields = withNamedParents(fieldsOf(pruned, schema), schema);
  return removeFields(merged, intersection(difference(all, prunedFields), lastNamed), schema);
}

/** A committed change of one object: what everybody who follows changes needs to know of it. */
import { arrayOr, isJsonObject, jsonEqual, textOr } from "./json.ts";
import type { RowKey } from "./store-statements.ts";
import type { WorkingObject } from "./working-object.ts";

/** A committed change of one object. */
export interface Change {
  readonly version: number;
  readonly group: string;
  readonly resource: string;
  /** Empty for objects of no namespace. */
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly type: "ADDED" | "MODIFIED" | "DELETED";
  /** The object as JSON in its storage version; for DELETED as it last was, at the deletion's version. */
  readonly text: string;
  readonly labels: Readonly<Record<string, string>> | undefined;
  /** Uids of what it names as its owners. */
  readonly owners: readonly string[];
  /** Whether its deletion was asked for. */
  readonly isDeleting: boolean;
  /** Before the change; for what selects by labels. */
  readonly labelsBefore: Readonly<Record<string, string>> | undefined;
  /** Fields its kind can be selected by; absent where it has none. */
  readonly fields?: Readonly<Record<string, string>>;
  readonly fieldsBefore?: Readonly<Record<string, string>>;
  /** The object as it was, at this version; present where labels or fields changed, for whom it ceased to match. */
  readonly textBefore?: string;
}

/** What the store needs to know of a kind. */
export interface StoredKind {
  readonly group: string;
  readonly resource: string;
  readonly fields?: { valuesOf(object: WorkingObject): Readonly<Record<string, string>> };
}

/** Describes the change of an object. @param of The object after it and before it; the same one when it is deleted. */
export function describeChange(
  change: RowKey & Pick<Change, "version" | "text" | "type">,
  of: {
    readonly kind: StoredKind;
    readonly object: WorkingObject;
    readonly before: WorkingObject | undefined;
  },
): Change {
  const { kind, object, before } = of;
  const { uid, labels, deletionTimestamp } = object.metadata;
  const fields = kind.fields?.valuesOf(object);
  const fieldsBefore = before === undefined ? undefined : kind.fields?.valuesOf(before);
  const selected: Selected = { labels, fields };
  const selectedBefore: Selected = { labels: before?.metadata.labels, fields: fieldsBefore };
  return {
    ...change,
    uid,
    labels,
    owners: ownersOf(object),
    isDeleting: deletionTimestamp !== undefined,
    labelsBefore: selectedBefore.labels,
    ...(fields === undefined ? {} : { fields }),
    ...(fieldsBefore === undefined ? {} : { fieldsBefore }),
    ...(before === undefined || jsonEqual(selected, selectedBefore)
      ? {}
      : { textBefore: textAt(before, change.version) }),
  };
}

/** What an object is selected by. */
interface Selected {
  readonly labels: Readonly<Record<string, string>> | undefined;
  readonly fields: Readonly<Record<string, string>> | undefined;
}

/** The object as JSON at a version. */
export function textAt(object: WorkingObject, version: number): string {
  const metadata = { ...object.metadata, resourceVersion: String(version) };
  return JSON.stringify({ ...object, metadata });
}

/** The uids an object names as its owners. */
export function ownersOf(object: WorkingObject): readonly string[] {
  return arrayOr(object.metadata.ownerReferences).map((owner) =>
    isJsonObject(owner) ? textOr(owner["uid"]) : "",
  );
}

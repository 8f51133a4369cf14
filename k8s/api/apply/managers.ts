/** `metadata.managedFields` read and written: who owns which fields of an object, by which kind of write, since when. */
import { arrayOr, isJsonObject, jsonEqual, type JsonObject, textOr } from "../json.ts";
import { type FieldSet, isEmpty, noFields, union } from "./field-set.ts";
import { formatFields, parseFields } from "./fields-v1.ts";

/** One who wrote an object, and how. */
export interface Writer {
  readonly manager: string;
  readonly operation: "Apply" | "Update";
  readonly apiVersion: string;
  /** Empty: the object itself. */
  readonly subresource: string;
}

/** What a writer owns. */
export interface Ownership {
  readonly writer: Writer;
  readonly fields: FieldSet;
  /** When it last gained or lost some; absent in entries that did not say. */
  readonly at?: string;
}

/** Owners by who they are: `writerKey`. */
export type Managers = ReadonlyMap<string, Ownership>;

/** Owners of nothing. */
export const nobody: Managers = new Map();

/** Writers by Update that are told apart; the oldest beyond are taken together. */
const updatersMax = 10;
/** Stands for those. */
const ancient = "ancient-changes";

/** Who a writer is: for Apply whatever version it speaks, since its configuration is the same in each. */
export function writerKey(writer: Writer): string {
  const { manager, operation, subresource } = writer;
  return JSON.stringify([manager, operation, subresource, operation === "Apply" ? "" : writer.apiVersion]);
}

/** Reads the entries of an object; undefined when one of them cannot be read. */
export function parseManagers(entries: unknown): Managers | undefined {
  const managers = new Map<string, Ownership>();
  for (const entry of arrayOr(entries)) {
    const ownership = parseEntry(entry);
    if (ownership === undefined) return undefined;
    managers.set(writerKey(ownership.writer), ownership);
  }
  return managers;
}

/** Whether a client asks for all ownership to be forgotten: by one empty entry. */
export function asksForReset(entries: unknown): boolean {
  const [first, ...more] = arrayOr(entries);
  return more.length === 0 && isJsonObject(first) && Object.values(first).every(isBlank);
}

/** The entries of an object; undefined when there are none. */
export function formatManagers(managers: Managers): readonly JsonObject[] | undefined {
  const owners = [...managers.values()].filter(({ fields }) => !isEmpty(fields));
  if (owners.length === 0) return undefined;
  return owners.sort(compareOwners).map(({ writer, fields, at }) => ({
    manager: writer.manager,
    operation: writer.operation,
    apiVersion: writer.apiVersion,
    ...(at === undefined ? {} : { time: at }),
    fieldsType: "FieldsV1",
    fieldsV1: formatFields(fields),
    ...(writer.subresource === "" ? {} : { subresource: writer.subresource }),
  }));
}

/** Whether two objects' entries differ in nothing but their times. */
export function sameButTimes(left: unknown, right: unknown): boolean {
  return jsonEqual(arrayOr(left).map(withoutTime), arrayOr(right).map(withoutTime));
}

/** Keeps the number of updaters bounded: the oldest beyond it become one. */
export function capped(managers: Managers): Managers {
  const updaters = [...managers.values()].filter(({ writer }) => writer.operation === "Update");
  const excess = updaters.length - updatersMax;
  if (excess <= 0) return managers;
  const kept = new Map(managers);
  // One more than there are too many: what takes their place counts as well.
  for (const old of updaters.sort(compareOwners).slice(0, excess + 1)) {
    kept.delete(writerKey(old.writer));
    const writer = { ...old.writer, manager: ancient };
    const bucket = kept.get(writerKey(writer));
    const fields = union(bucket?.fields ?? noFields, old.fields);
    kept.set(writerKey(writer), { writer, fields, ...(old.at === undefined ? {} : { at: old.at }) });
  }
  return kept;
}

function parseEntry(entry: unknown): Ownership | undefined {
  if (!isJsonObject(entry)) return undefined;
  const { operation, time, fieldsV1 } = entry;
  if (operation !== "Apply" && operation !== "Update") return undefined;
  const fields = fieldsV1 === undefined ? noFields : parseFields(fieldsV1);
  if (fields === undefined) return undefined;
  const writer: Writer = {
    manager: textOr(entry["manager"]),
    operation,
    apiVersion: textOr(entry["apiVersion"]),
    subresource: textOr(entry["subresource"]),
  };
  return { writer, fields, ...(typeof time === "string" ? { at: time } : {}) };
}

function compareOwners(left: Ownership, right: Ownership): number {
  return (
    compareTexts(left.writer.operation, right.writer.operation) ||
    compareTexts(left.at ?? "", right.at ?? "") ||
    compareTexts(left.writer.manager, right.writer.manager) ||
    compareTexts(left.writer.apiVersion, right.writer.apiVersion) ||
    compareTexts(left.writer.subresource, right.writer.subresource)
  );
}

function compareTexts(left: string, right: string): number {
  if (left === right) return 0;
  return left < right ? -1 : 1;
}

function withoutTime(entry: unknown): unknown {
  if (!isJsonObject(entry)) return entry;
  const { time: _time, ...rest } = entry;
  return rest;
}

function isBlank(value: unknown): boolean {
  return value === undefined || value === null || value === "";
}

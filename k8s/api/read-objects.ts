/** Reading: one object, and lists in pages, as JSON text in the version the client speaks. */
import { apiVersionOf } from "#host/kube/object.ts";
import { checkFields, type FieldSelector, looksInside, matchesFields } from "./field-selector.ts";
import { type LabelSelector, matchesLabels } from "./label-selector.ts";
import { type ObjectStore, parseRow } from "./object-store.ts";
import { badRequest, continueExpired, notFound } from "./refusal.ts";
import type { Row, RowAfter } from "./store-statements.ts";
import type { Target } from "./write-context.ts";

/** Which objects, and where to begin. */
export interface ListQuery {
  readonly labels: LabelSelector;
  readonly fields: FieldSelector;
  /** 0: all. */
  readonly limit: number;
  /** Continues a list; from the page before. */
  readonly continueToken: string;
}

/** One page. */
export interface ListPage {
  /** Version of the list: a watch that continues from it misses nothing. */
  readonly version: number;
  /** Each object as JSON. */
  readonly texts: readonly string[];
  readonly continueToken?: string;
  /** Absent where it would have to be counted by reading everything. */
  readonly remaining?: number;
}

/** Everything from the start. */
export const everything: ListQuery = { labels: [], fields: [], limit: 0, continueToken: "" };

const rowsAtOnce = 500;
const start: RowAfter = { namespace: "", name: "" };

/**
 * One object as JSON.
 * @throws KubeError 404.
 */
export function getText(store: ObjectStore, target: Target, name: string): string {
  const { group, resource } = target.kind;
  const row = store.read({ group, resource, namespace: target.namespace, name });
  if (row === undefined) throw notFound(target.kind, name);
  return textInVersion(target, row.text);
}

/**
 * A page of the objects of a kind, in one namespace or in all (an empty one).
 *
 * Every page carries the version of the first one: pages are read from the present state, so a watch from there
 * repeats what happened between the pages and never misses any of it.
 *
 * @param floor Oldest version a watch can continue from: a list that is older is refused.
 * @throws KubeError 400 for a token that is not ours or a field nobody selects by, 410 for one that is too old.
 */
export function listPage(store: ObjectStore, target: Target, query: ListQuery, floor: number): ListPage {
  checkFields(target.kind, query.fields);
  const scope = scopeOf(target);
  const { version, after: first } = beginning(store, query, floor);
  const texts: string[] = [];
  let after = first;
  for (;;) {
    const wanted = pageSize(query, texts.length);
    const rows = store.page(scope, after, wanted);
    for (const row of rows) {
      after = { namespace: row.namespace, name: row.name };
      if (matches(target, query, row)) texts.push(textInVersion(target, row.text));
      if (query.limit > 0 && texts.length === query.limit) {
        return { version, texts, ...next(store, { target, query, after, version }) };
      }
    }
    if (rows.length < wanted) return { version, texts };
  }
}

/** A list as JSON. @param kind What it says it is; by default a list of the target's kind in its version. */
export function listText(
  target: Target,
  page: ListPage,
  kind: string = target.kind.listKind,
  apiVersion: string = apiVersionOf({ group: target.kind.group, version: target.version }),
): string {
  const metadata = {
    resourceVersion: String(page.version),
    ...(page.continueToken === undefined ? {} : { continue: page.continueToken }),
    ...(page.remaining === undefined ? {} : { remainingItemCount: page.remaining }),
  };
  const head = JSON.stringify({
    kind,
    apiVersion,
    metadata,
  });
  return `${head.slice(0, -1)},"items":[${page.texts.join(",")}]}`;
}

/** A stored object's JSON as a client of the target's version reads it: `apiVersion` comes first in what we store. */
export function textInVersion(target: Target, text: string): string {
  if (target.version === target.kind.storageVersion) return text;
  const object = parseRow({ text });
  object.apiVersion = apiVersionOf({ group: target.kind.group, version: target.version });
  return JSON.stringify(object);
}

function beginning(
  store: ObjectStore,
  query: ListQuery,
  floor: number,
): { version: number; after: RowAfter } {
  if (query.continueToken === "") return { version: store.version, after: start };
  const from = readToken(query.continueToken);
  if (from.version < floor) throw continueExpired();
  return from;
}

function scopeOf(target: Target): { group: string; resource: string; namespace?: string } {
  const { group, resource } = target.kind;
  return target.namespace === "" ? { group, resource } : { group, resource, namespace: target.namespace };
}

function pageSize(query: ListQuery, have: number): number {
  const isFiltered = query.labels.length > 0 || query.fields.length > 0;
  return query.limit === 0 || isFiltered ? rowsAtOnce : Math.min(rowsAtOnce, query.limit - have);
}

function matches(target: Target, query: ListQuery, row: Row): boolean {
  const isInside = looksInside(query.fields);
  if (!isInside && !matchesFields(query.fields, row)) return false;
  if (!isInside && query.labels.length === 0) return true;
  const object = parseRow(row);
  if (!matchesLabels(query.labels, object.metadata.labels)) return false;
  return !isInside || matchesFields(query.fields, { ...row, fields: target.kind.fields?.valuesOf(object) });
}

function next(
  store: ObjectStore,
  at: {
    readonly target: Target;
    readonly query: ListQuery;
    readonly after: RowAfter;
    readonly version: number;
  },
): { continueToken?: string; remaining?: number } {
  const scope = scopeOf(at.target);
  if (store.page(scope, at.after, 1).length === 0) return {};
  const continueToken = writeToken(at.version, at.after);
  const isFiltered = at.query.labels.length > 0 || at.query.fields.length > 0;
  return isFiltered ? { continueToken } : { continueToken, remaining: store.countAfter(scope, at.after) };
}

function writeToken(version: number, after: RowAfter): string {
  return Buffer.from(JSON.stringify([version, after.namespace, after.name])).toString("base64url");
}

function readToken(token: string): { version: number; after: RowAfter } {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(token, "base64url").toString());
  } catch {
    throw badRequest("continue key is not valid");
  }
  const [version, namespace, name] = Array.isArray(value) ? (value as unknown[]) : [];
  if (typeof version !== "number" || typeof namespace !== "string" || typeof name !== "string") {
    throw badRequest("continue key is not valid");
  }
  return { version, after: { namespace, name } };
}

/** The options in a request's query: selectors, pages, watches, how to write. */
import { type FieldSelector, parseFieldSelector } from "./field-selector.ts";
import { type LabelSelector, parseLabelSelector } from "./label-selector.ts";
import type { ListQuery } from "./read-objects.ts";
import { badRequest } from "./refusal.ts";
import { isTrue } from "./request-path.ts";

/** Where a watch starts and what it is told besides changes. */
export interface WatchQuery {
  readonly labels: LabelSelector;
  readonly fields: FieldSelector;
  /** Absent: from now, with everything that exists told first. */
  readonly after?: number;
  /** Whether what exists is told first, whatever `after` says, and its end marked. */
  readonly sendsInitialEvents: boolean;
  readonly bookmarks: boolean;
  /** 0: the server chooses. */
  readonly timeoutSeconds: number;
}

/** Which objects. @throws KubeError 400. */
export function selectors(query: { readonly labelSelector?: string; readonly fieldSelector?: string }): {
  readonly labels: LabelSelector;
  readonly fields: FieldSelector;
} {
  const labels = parseLabelSelector(query.labelSelector ?? "");
  if (!labels.ok) throw badRequest(labels.error);
  const fields = parseFieldSelector(query.fieldSelector ?? "");
  if (!fields.ok) throw badRequest(fields.error);
  return { labels: labels.value, fields: fields.value };
}

/** Options of a list. @throws KubeError 400. */
export function listQuery(query: URLSearchParams): ListQuery & { readonly notOlderThan: number } {
  return {
    ...selectorsOf(query),
    limit: wholeNumber(query, "limit"),
    continueToken: query.get("continue") ?? "",
    notOlderThan: wholeNumber(query, "resourceVersion"),
  };
}

/** Options of a watch. @throws KubeError 400. */
export function watchQuery(query: URLSearchParams): WatchQuery {
  const after = wholeNumber(query, "resourceVersion");
  return {
    ...selectorsOf(query),
    // 0 means "any version" in Kubernetes: the present one serves.
    ...(after === 0 ? {} : { after }),
    sendsInitialEvents: isTrue(query.get("sendInitialEvents")),
    bookmarks: isTrue(query.get("allowWatchBookmarks")),
    timeoutSeconds: wholeNumber(query, "timeoutSeconds"),
  };
}

function selectorsOf(query: URLSearchParams): { labels: LabelSelector; fields: FieldSelector } {
  return selectors({
    labelSelector: query.get("labelSelector") ?? "",
    fieldSelector: query.get("fieldSelector") ?? "",
  });
}

function wholeNumber(query: URLSearchParams, name: string): number {
  const text = query.get(name) ?? "";
  if (text === "") return 0;
  if (!/^\d{1,15}$/.test(text)) throw badRequest(`${name} must be a whole number: ${JSON.stringify(text)}`);
  return Number(text);
}

/** The options in a request's query: selectors, pages, watches, how to write. */
import { type FieldSelector, parseFieldSelector } from "./field-selector.ts";
import { type LabelSelector, parseLabelSelector } from "./label-selector.ts";
import type { ListQuery } from "./read-objects.ts";
import { badRequest, type FieldFault, forbiddenField, unexplained, unsupportedValue } from "./refusal.ts";
import { isTrue } from "./request-path.ts";
import { invalidOptions } from "./write-query.ts";

/** Where a watch starts and what it is told besides changes. */
export interface WatchQuery {
  readonly labels: LabelSelector;
  readonly fields: FieldSelector;
  /** Absent: from now. */
  readonly after?: number;
  /** Whether what exists is told first, whatever `after` says. */
  readonly tellsInitial: boolean;
  /** Whether the end of what exists is marked. */
  readonly marksInitial: boolean;
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

/** Options of a list. @throws KubeError 400 or 422. */
export function listQuery(
  query: URLSearchParams,
): ListQuery & { readonly notOlderThan: number; readonly exactly: boolean } {
  refuse(listFaults(query));
  const continueToken = query.get("continue") ?? "";
  const version = versionIn(query, badRequest);
  if (continueToken !== "" && version !== 0) {
    throw badRequest("specifying resource version is not allowed when using continue");
  }
  return {
    ...selectorsOf(query),
    limit: Math.max(0, numberIn(query, "limit")),
    continueToken,
    notOlderThan: version,
    exactly: query.get("resourceVersionMatch") === "Exact",
  };
}

/** Options of a watch. @throws KubeError 400, 422 or 500. */
export function watchQuery(query: URLSearchParams): WatchQuery {
  refuse(watchFaults(query));
  const after = versionIn(query, unexplained);
  const asked = query.get("sendInitialEvents");
  return {
    ...selectorsOf(query),
    // 0 means "any version" in Kubernetes: the present one serves.
    ...(after === 0 ? {} : { after }),
    tellsInitial: asked === null ? after === 0 : isTrue(asked),
    marksInitial: isTrue(asked) && isTrue(query.get("allowWatchBookmarks")),
    bookmarks: isTrue(query.get("allowWatchBookmarks")),
    timeoutSeconds: numberIn(query, "timeoutSeconds"),
  };
}

function refuse(faults: readonly FieldFault[]): void {
  if (faults.length > 0) throw invalidOptions("ListOptions", faults);
}

const match = "resourceVersionMatch";

function listFaults(query: URLSearchParams): readonly FieldFault[] {
  const faults: FieldFault[] = [];
  const wanted = query.get(match) ?? "";
  const version = query.get("resourceVersion") ?? "";
  if (wanted !== "") {
    if (version === "") {
      faults.push(forbiddenField(match, `${match} is forbidden unless resourceVersion is provided`));
    }
    if ((query.get("continue") ?? "") !== "") {
      faults.push(forbiddenField(match, `${match} is forbidden when continue is provided`));
    }
    if (wanted !== "Exact" && wanted !== "NotOlderThan") {
      faults.push(unsupportedValue(match, wanted, ["Exact", "NotOlderThan", ""]));
    }
    if (wanted === "Exact" && version === "0") {
      faults.push(forbiddenField(match, `${match} "exact" is forbidden for resourceVersion "0"`));
    }
  }
  if (query.has("sendInitialEvents")) {
    faults.push(forbiddenField("sendInitialEvents", "sendInitialEvents is forbidden for list"));
  }
  return faults;
}

function watchFaults(query: URLSearchParams): readonly FieldFault[] {
  const wanted = query.get(match) ?? "";
  if (!query.has("sendInitialEvents")) {
    const why = `${match} is forbidden for watch unless sendInitialEvents is provided`;
    return wanted === "" ? [] : [forbiddenField(match, why)];
  }
  if (wanted === "NotOlderThan") return [];
  const why = `sendInitialEvents requires setting ${match} to NotOlderThan`;
  const faults = [forbiddenField(match, why)];
  return wanted === "" ? faults : [...faults, unsupportedValue(match, wanted, ["NotOlderThan"])];
}

function selectorsOf(query: URLSearchParams): { labels: LabelSelector; fields: FieldSelector } {
  return selectors({
    labelSelector: query.get("labelSelector") ?? "",
    fieldSelector: query.get("fieldSelector") ?? "",
  });
}

function versionIn(query: URLSearchParams, refusal: (message: string) => Error): number {
  const text = query.get("resourceVersion") ?? "";
  if (/^\d{0,15}$/.test(text)) return Number(text);
  const why = `strconv.ParseUint: parsing ${JSON.stringify(text)}: invalid syntax`;
  throw refusal(`resourceVersion: Invalid value: ${JSON.stringify(text)}: ${why}`);
}

function numberIn(query: URLSearchParams, name: string): number {
  const text = query.get(name) ?? "";
  if (/^-?\d{0,15}$/.test(text) && text !== "-") return Number(text);
  throw badRequest(`strconv.ParseInt: parsing ${JSON.stringify(text)}: invalid syntax`);
}

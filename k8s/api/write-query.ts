/** How a write is to be done, as its query and its client say: dry run, field validation, field manager, force. */
import { type JsonObject, textsOf } from "./json.ts";
import {
  type FieldFault,
  forbiddenField,
  invalid,
  invalidValue,
  requiredValue,
  unsupportedValue,
} from "./refusal.ts";
import { isTrue } from "./request-path.ts";
import type { WriteOptions } from "./write-context.ts";

/** Longest name of a field manager. */
const managerBytesMax = 128;

const validations = ["", "Ignore", "Strict", "Warn"] as const;

/** A write whose options are read. */
export interface WriteRequest {
  readonly query: URLSearchParams;
  readonly subresource: string;
  /** Its name is the manager's where the query names none. */
  readonly userAgent: string;
}

/** Options of a creation or a replacement. @throws KubeError 422. */
export function writeOptions(kind: "CreateOptions" | "UpdateOptions", asked: WriteRequest): WriteOptions {
  const faults = sharedFaults(asked.query);
  if (faults.length > 0) throw invalidOptions(kind, faults);
  return optionsOf(asked);
}

/** Options of a patch. @throws KubeError 422. */
export function patchOptions(
  asked: WriteRequest,
  isApply: boolean,
): WriteOptions & { readonly isForced: boolean } {
  const { query } = asked;
  const faults = [...sharedFaults(query)];
  if (isApply && (query.get("fieldManager") ?? "") === "") {
    faults.push(requiredValue("fieldManager", "is required for apply patch"));
  }
  if (!isApply && query.has("force")) {
    faults.push(forbiddenField("force", "may not be specified for non-apply patch"));
  }
  if (faults.length > 0) throw invalidOptions("PatchOptions", faults);
  return { ...optionsOf(asked), isForced: isTrue(query.get("force")) };
}

/** Whether a deletion is only to be tried, from the query and the body. @throws KubeError 422. */
export function isDryDeletion(query: URLSearchParams, body: JsonObject): boolean {
  const values = [...query.getAll("dryRun"), ...textsOf(body["dryRun"])];
  const faults = dryRunFaults(values);
  if (faults.length > 0) throw invalidOptions("DeleteOptions", faults);
  return values.length > 0;
}

/** 422 for options that contradict themselves or are none. */
export function invalidOptions(kind: string, faults: readonly FieldFault[]): Error {
  return invalid({ group: "meta.k8s.io", kind }, "", faults);
}

function optionsOf({ query, subresource, userAgent }: WriteRequest): WriteOptions {
  const validation = validations.find((known) => known === query.get("fieldValidation"));
  return {
    dryRun: query.getAll("dryRun").length > 0,
    manager: query.get("fieldManager") || managerOf(userAgent),
    ...(validation === undefined || validation === "" ? {} : { unknownFields: validation }),
    ...(subresource === "status" || subresource === "scale" ? { subresource } : {}),
  };
}

/** What a user agent names first: `kubectl` of `kubectl/v1.37.2 (linux/amd64) kubernetes/…`. */
function managerOf(userAgent: string): string {
  const [name = ""] = userAgent.split("/");
  const printable = name.replaceAll(/[^\p{L}\p{M}\p{N}\p{P}\p{S} ]/gu, "").slice(0, managerBytesMax);
  return printable === "" ? "unknown" : printable;
}

function sharedFaults(query: URLSearchParams): readonly FieldFault[] {
  const validation = query.get("fieldValidation") ?? "";
  const isKnown = validations.some((known) => known === validation);
  return [
    ...dryRunFaults(query.getAll("dryRun")),
    ...managerFaults(query.get("fieldManager") ?? ""),
    ...(isKnown ? [] : [unsupportedValue("fieldValidation", validation, validations)]),
  ];
}

function dryRunFaults(values: readonly string[]): readonly FieldFault[] {
  return values.every((value) => value === "All") ? [] : [unsupportedValue("dryRun", values, ["All"])];
}

function managerFaults(manager: string): readonly FieldFault[] {
  if (Buffer.byteLength(manager) > managerBytesMax) {
    const message = `Too long: may not be more than ${managerBytesMax} bytes`;
    return [{ reason: "FieldValueTooLong", field: "fieldManager", message }];
  }
  const at = manager.search(/[^\p{L}\p{M}\p{N}\p{P}\p{S} ]/u);
  if (at < 0) return [];
  const code = (manager.codePointAt(at) ?? 0).toString(16).toUpperCase().padStart(4, "0");
  return [invalidValue("fieldManager", manager, `invalid character U+${code} (at position ${at})`)];
}

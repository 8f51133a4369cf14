/** From a client's JSON to an object that may be stored: its form, its metadata, its schema. Not the rules of its kind. */
import { apiVersionOf } from "#host/kube/object.ts";
import { depthMax, isJsonObject, isTooDeep, type JsonObject } from "./json.ts";
import { findVersion } from "./kind.ts";
import { badRequest, type FieldFault } from "./refusal.ts";
import type { WorkingObject } from "./working-object.ts";
import type { Target, WriteOptions } from "./write-context.ts";

/**
 * Takes a client's value as an object of the target's kind and version. The value is the caller's to give away.
 * @throws KubeError 400 when it is another kind's, another namespace's, or no object.
 */
export function asObjectOf(target: Target, value: unknown): WorkingObject {
  if (!isJsonObject(value)) throw badRequest("the body of the request must be an object");
  if (isTooDeep(value)) throw badRequest(`the object is nested deeper than ${depthMax} levels`);
  const wanted = apiVersionOf({ group: target.kind.group, version: target.version });
  const { apiVersion: _version, kind: _kind, metadata = {}, ...rest } = value;
  checkType(target, value, wanted);
  if (!isJsonObject(metadata)) throw badRequest("metadata must be an object");
  const { namespace = "", ...meta } = metadata;
  if (namespace !== "" && namespace !== target.namespace) {
    throw badRequest("the namespace of the provided object does not match the namespace sent on the request");
  }
  // Sound as far as it is used: metadataFaults checks the fields before anything relies on them.
  const checked = (target.namespace === "" ? meta : { ...meta, namespace: target.namespace }) as unknown;
  return {
    apiVersion: wanted,
    kind: target.kind.kind,
    metadata: checked as WorkingObject["metadata"],
    ...rest,
  };
}

function checkType(target: Target, value: JsonObject, wanted: string): void {
  const { apiVersion = wanted, kind = target.kind.kind } = value;
  if (apiVersion !== wanted) {
    throw badRequest(
      `the API version in the data (${String(apiVersion)}) does not match the expected API version (${wanted})`,
    );
  }
  if (kind !== target.kind.kind) {
    throw badRequest(
      `the kind in the data (${String(kind)}) does not match the expected kind (${target.kind.kind})`,
    );
  }
}

/**
 * Reads an object by its version's schema, in place.
 * @returns faults, and warnings for the client.
 * @throws KubeError 400 for unknown fields when they are to be refused.
 */
export function readBySchema(
  target: Target,
  object: WorkingObject,
  options: WriteOptions,
): { readonly faults: readonly FieldFault[]; readonly warnings: readonly string[] } {
  const version = findVersion(target.kind, target.version);
  const warnings = version?.deprecation === undefined ? [] : [version.deprecation];
  if (version?.schema === undefined) return { faults: [], warnings };
  const { unknown, faults, unreadable } = version.schema.read(object);
  if (unreadable !== undefined) throw badRequest(`${cannotBeHandled(target)}: ${unreadable}`);
  const rule = options.unknownFields ?? target.kind.unknownFields;
  if (unknown.length > 0 && rule === "Strict") throw badRequest(strictMessage(target, unknown));
  if (rule === "Warn") warnings.push(...unknown.slice(0, 16).map(unknownText));
  return { faults, warnings };
}

function strictMessage(target: Target, unknown: readonly string[]): string {
  const fields = unknown.slice(0, 16).map(unknownText).join(", ");
  return `${cannotBeHandled(target)}: strict decoding error: ${fields}`;
}

function cannotBeHandled(target: Target): string {
  const { kind } = target.kind;
  return `${kind} in version "${target.version}" cannot be handled as a ${kind}`;
}

function unknownText(field: string): string {
  return `unknown field ${JSON.stringify(field)}`;
}

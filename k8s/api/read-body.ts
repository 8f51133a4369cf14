/** From a client's JSON to an object that may be stored: its form, its metadata, its schema. Not the rules of its kind. */
import type { KubeError } from "#host/kube/kube-error.ts";
import { apiVersionOf } from "#host/kube/object.ts";
import { metadataSchema } from "./apply/merge-schema.ts";
import { arrayOr, depthMax, isJsonObject, isTooDeep, type JsonObject, objectOr, textOr } from "./json.ts";
import { findVersion } from "./kind.ts";
import { ownerText } from "./metadata.ts";
import { badRequest, type FieldFault, patchedInvalid, unrecognized } from "./refusal.ts";
import type { WorkingObject } from "./working-object.ts";
import type { Target, WriteOptions } from "./write-context.ts";

/**
 * Takes a client's value as an object of the target's kind and version. The value is the caller's to give away.
 * @throws KubeError 400 when it is another kind's, another namespace's, or no object.
 */
export function asObjectOf(target: Target, value: unknown): WorkingObject {
  if (!isJsonObject(value)) {
    const got = Array.isArray(value) ? "array" : typeof value;
    throw unrecognized(target.kind.kind, `cannot unmarshal ${got} into an object`);
  }
  if (isTooDeep(value)) throw badRequest(`the object is nested deeper than ${depthMax} levels`);
  const wanted = apiVersionOf({ group: target.kind.group, version: target.version });
  const { apiVersion: _version, kind: _kind, metadata: sent, ...rest } = value;
  checkType(target, value, wanted);
  const metadata = readMetadata(target, sent ?? {});
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

/** Metadata with their maps as texts: null is an empty one. @throws KubeError 400 for what is no object. */
function readMetadata({ kind, version }: Target, sent: unknown): JsonObject {
  if (!isJsonObject(sent)) {
    const got = Array.isArray(sent) ? "array" : typeof sent;
    const where = `Go struct field ${kind.kind}.metadata of type v1.ObjectMeta`;
    throw badRequest(
      `${kind.kind} in version "${version}" cannot be handled as a ${kind.kind}: json: cannot unmarshal ${got} into ${where}`,
    );
  }
  const { labels, annotations } = sent;
  return {
    ...sent,
    ...(isJsonObject(labels) ? { labels: withoutNulls(labels) } : {}),
    ...(isJsonObject(annotations) ? { annotations: withoutNulls(annotations) } : {}),
  };
}

function withoutNulls(map: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(map).map(([name, value]) => [name, value ?? ""]));
}

function checkType(target: Target, value: JsonObject, wanted: string): void {
  const { apiVersion = wanted, kind = target.kind.kind } = value;
  if (!target.kind.isCustom && (apiVersion !== wanted || kind !== target.kind.kind)) {
    const [version, got] = [textOr(apiVersion), textOr(kind)];
    const why = `no kind ${JSON.stringify(got)} is registered for version ${JSON.stringify(version)} here`;
    throw badRequest(`${got} in version "${version}" cannot be handled as a ${target.kind.kind}: ${why}`);
  }
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

/** An object on its way in. */
export interface Incoming {
  readonly object: WorkingObject;
  /** Metadata as the client sent them. */
  readonly metadata: object;
  /** Whether a patch made it: then the patch is what is wrong with it. */
  readonly isPatched: boolean;
}

/**
 * Reads an object by its version's schema, in place.
 * @returns faults, and warnings for the client.
 * @throws KubeError 400, or 422 for a patch, for what cannot be read, and for unknown fields when they are refused.
 */
export function readBySchema(
  target: Target,
  incoming: Incoming,
  options: WriteOptions,
): { readonly faults: readonly FieldFault[]; readonly warnings: readonly string[] } {
  const { object } = incoming;
  const version = findVersion(target.kind, target.version);
  const warnings = version?.deprecation === undefined ? [] : [version.deprecation];
  if (version?.schema === undefined) return { faults: [], warnings };
  const { unknown, faults, unreadable } = version.schema.read(object);
  if (unreadable !== undefined) throw cannotBeHandled(target, incoming, unreadable);
  const fields = [...unknown, ...unknownMetadata(incoming.metadata)].slice(0, fieldsMax);
  const texts = [...(options.duplicates ?? []), ...fields.map(unknownText)];
  const rule = options.unknownFields ?? target.kind.unknownFields;
  if (texts.length > 0 && rule === "Strict") {
    throw cannotBeHandled(target, incoming, `strict decoding error: ${texts.join(", ")}`);
  }
  if (rule === "Warn") warnings.push(...texts);
  warnings.push(...ownerWarnings(incoming.metadata));
  return { faults, warnings };
}

/** Unknown fields that are told; a client does not read more. */
const fieldsMax = 16;

/** Metadata that are known to nobody any more, and that old clients still send. */
const formerMetadata = ["selfLink", "clusterName"];

function ownerWarnings(metadata: object): readonly string[] {
  const seen = new Set<string>();
  const twice: string[] = [];
  for (const owner of arrayOr(objectOr(metadata)["ownerReferences"])) {
    const text = ownerText(objectOr(owner));
    if (seen.has(text)) twice.push(textOr(objectOr(owner)["uid"]));
    seen.add(text);
  }
  if (twice.length === 0) return [];
  const uids = twice.slice(0, fieldsMax).join(", ");
  return [
    `.metadata.ownerReferences contains duplicate entries; API server dedups owner references in 1.20+, and may reject such requests as early as 1.24; please fix your requests; duplicate UID(s) observed: ${uids}`,
  ];
}

function unknownMetadata(metadata: object): readonly string[] {
  const known = objectOr(metadataSchema["properties"]);
  return Object.keys(metadata)
    .filter((name) => !Object.hasOwn(known, name) && !formerMetadata.includes(name))
    .map((name) => `metadata.${name}`);
}

function cannotBeHandled({ kind, version }: Target, incoming: Incoming, why: string): KubeError {
  if (incoming.isPatched) return patchedInvalid(incoming.object, why);
  return badRequest(`${kind.kind} in version "${version}" cannot be handled as a ${kind.kind}: ${why}`);
}

function unknownText(field: string): string {
  return `unknown field ${JSON.stringify(field)}`;
}

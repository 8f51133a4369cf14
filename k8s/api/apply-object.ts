/** Server-side apply: an object is made what a configuration says, field by field, and the configuration's owner is remembered. */
import { apiVersionOf } from "#host/kube/object.ts";
import { configFault } from "./apply/check-config.ts";
import { type FieldSet, isEmpty, pathsOf } from "./apply/field-set.ts";
import { pathText } from "./apply/fields-v1.ts";
import { lastApplied, rememberApplied, withoutEarlier } from "./apply/last-applied.ts";
import { type Managers, nobody, parseManagers } from "./apply/managers.ts";
import { applyConfig, type FieldConflict, type OwnedWrite, ownersAfterUpdate } from "./apply/ownership.ts";
import { emptyObject, ownedWrite, withoutManagers } from "./apply/record-writer.ts";
import { createIn } from "./create-object.ts";
import { isJsonObject, type JsonObject, objectOr, textOr } from "./json.ts";
import type { Transaction } from "./object-store.ts";
import { applyConflict, badRequest, conflict, unexplained } from "./refusal.ts";
import { updateIn } from "./update-object.ts";
import type { WorkingObject } from "./working-object.ts";
import type { Target, WriteContext, WriteOptions, Written } from "./write-context.ts";

/** An apply of one object. */
export interface ApplyRequest {
  readonly target: Target;
  readonly name: string;
  readonly config: unknown;
  readonly options: WriteOptions & { readonly manager: string };
  /** Whether fields are taken from owners that have them at another value. */
  readonly isForced: boolean;
}

/** Owns what nobody is known to have written, once somebody applies. */
const unknownManager = "before-first-apply";

/**
 * Applies a configuration, making the object when it is not there.
 * @throws KubeError with the reason; 409 with the fields for a conflict.
 */
export function applyObject(
  context: WriteContext,
  request: ApplyRequest,
): Written & { readonly isNew: boolean } {
  const run = (tx: Transaction): Written & { isNew: boolean } => applyIn(tx, context, request);
  return request.options.dryRun === true ? context.store.rehearse(run) : context.store.write(run);
}

function applyIn(
  tx: Transaction,
  context: WriteContext,
  request: ApplyRequest,
): Written & { readonly isNew: boolean } {
  const { target, name, options } = request;
  const { group, resource } = target.kind;
  const old = tx.read({ group, resource, namespace: target.namespace, name });
  const nowMs = context.nowMs();
  const write = ownedWrite({ target, options, nowMs }, { manager: options.manager, operation: "Apply" });
  const config = checkConfig(request, write.schema);
  // Of an object that is not there only the main resource can be made.
  if (old === undefined && options.subresource === undefined) {
    checkNew(request, config);
    const made = apply(request, { write, live: emptyObject(target), managers: nobody, config });
    return {
      ...createIn(tx, context, { target, value: config, options, managers: made.managers }),
      isNew: true,
    };
  }
  let managers: Managers = nobody;
  const change = (live: WorkingObject): unknown => {
    const before = parseManagers(live.metadata.managedFields) ?? nobody;
    const bare = withoutManagers(live);
    const known = before.size > 0 ? before : unknownOwners({ target, write, live: bare });
    const done = apply(request, { write, live: bare, managers: known, config });
    managers = done.managers;
    return done.object;
  };
  const updated = updateIn(tx, context, {
    target,
    name,
    change,
    replaces: false,
    options,
    managers: () => managers,
  });
  return { ...updated, isNew: false };
}

interface Applying {
  readonly write: OwnedWrite;
  readonly live: WorkingObject;
  readonly managers: Managers;
  readonly config: JsonObject;
}

function apply(
  request: ApplyRequest,
  applying: Applying,
): { readonly object: unknown; readonly managers: Managers } {
  const { write, live, managers, config } = applying;
  const { isForced } = request;
  const applied = applyConfig({ ...write, isForced }, live, config, managers);
  if (applied.kind === "done") return rememberApplied(applied, write, config);
  const left = withoutHandedOver(applied.conflicts, write, live);
  if (left.length > 0) throw conflictRefusal(left);
  const forced = applyConfig({ ...write, isForced: true }, live, config, managers);
  if (forced.kind === "conflicts") throw conflictRefusal(forced.conflicts);
  return rememberApplied(forced, write, config);
}

/** Conflicts but for fields that kubectl itself applied by its old, client-side way. */
function withoutHandedOver(
  conflicts: readonly FieldConflict[],
  write: OwnedWrite,
  live: WorkingObject,
): readonly FieldConflict[] {
  const earlier = lastApplied(live, write.writer);
  return earlier === undefined
    ? conflicts
    : withoutEarlier(conflicts, { earlier, live, schema: write.schema });
}

function unknownOwners(of: {
  readonly target: Target;
  readonly write: OwnedWrite;
  readonly live: WorkingObject;
}): Managers {
  const writer = {
    ...of.write.writer,
    manager: unknownManager,
    operation: "Update",
    subresource: "",
  } as const;
  return ownersAfterUpdate({ ...of.write, writer }, emptyObject(of.target), of.live, nobody);
}

function checkConfig(request: ApplyRequest, schema: JsonObject): JsonObject {
  const { config, target, name } = request;
  if (!isJsonObject(config))
    throw badRequest("error decoding patch: an applied configuration must be an object");
  const { apiVersion, kind } = config;
  const gvk = `${groupVersion(textOr(apiVersion))}, Kind=${textOr(kind)}`;
  const wanted = apiVersionOf({ group: target.kind.group, version: target.version });
  if (kind !== target.kind.kind || apiVersion !== wanted) throw badRequest(`invalid object type: ${gvk}`);
  const metadata = objectOr(config["metadata"]);
  if (metadata["managedFields"] !== undefined && metadata["managedFields"] !== null) {
    throw badRequest("metadata.managedFields must be nil");
  }
  if (textOr(metadata["name"]) === "") {
    throw badRequest(
      `the name of the object (${name} based on URL) was undeterminable: name must be provided`,
    );
  }
  const fault = configFault(config, schema);
  if (fault === undefined) return config;
  const where = `${textOr(metadata["namespace"])}/${textOr(metadata["name"])}`;
  throw unexplained(`failed to create typed patch object (${where}; ${gvk}): ${fault}`);
}

/** `/v1` and `apps/v1`, as messages write them. */
function groupVersion(apiVersion: string): string {
  return apiVersion.includes("/") || apiVersion === "" ? apiVersion || "/" : `/${apiVersion}`;
}

function checkNew(request: ApplyRequest, config: JsonObject): void {
  const metadata = objectOr(config["metadata"]);
  const { name, target } = request;
  const uid = textOr(metadata["uid"]);
  if (uid !== "") {
    const why = `uid mismatch: the provided object specified uid ${uid}, and no existing object was found`;
    throw conflict(target.kind, name, why);
  }
  if (metadata["name"] !== name) {
    throw badRequest(
      `the name of the object (${textOr(metadata["name"])}) does not match the name on the URL (${name})`,
    );
  }
  delete metadata["resourceVersion"];
}

function conflictRefusal(conflicts: readonly FieldConflict[]): Error {
  const named = conflicts
    .map(({ owner, fields }) => ({ who: ownerText(owner.writer), paths: textsOfPaths(fields) }))
    .sort((left, right) => (left.who < right.who ? -1 : 1));
  const causes = named.flatMap(({ who, paths }) =>
    paths.map((field) => ({ reason: "FieldManagerConflict", message: `conflict with ${who}`, field })),
  );
  const [only] = causes;
  if (causes.length === 1 && only !== undefined) {
    return applyConflict(`Apply failed with 1 conflict: ${only.message}: ${only.field}`, causes);
  }
  const lines = named.map(
    ({ who, paths }) => `conflicts with ${who}:\n${paths.map((path) => `- ${path}`).join("\n")}`,
  );
  return applyConflict(`Apply failed with ${causes.length} conflicts: ${lines.join("\n")}`, causes);
}

function textsOfPaths(fields: FieldSet): readonly string[] {
  return isEmpty(fields) ? [] : [...pathsOf(fields)].map(pathText);
}

function ownerText(writer: OwnedWrite["writer"]): string {
  const name = JSON.stringify(writer.manager);
  const way =
    writer.subresource === "" ? name : `${name} with subresource ${JSON.stringify(writer.subresource)}`;
  if (writer.operation === "Apply") return way;
  return `${way} using ${writer.apiVersion}`;
}

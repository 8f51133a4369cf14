/** A write by its user: what it may not grant, and which webhooks have a say, before it is done. */
import type { User } from "../api.ts";
import type { ApiContext } from "../api-context.ts";
import { checkMay } from "../authorization/check-may.ts";
import { checkEscalation } from "../authorization/escalation.ts";
import { conflict, modifiedMeanwhile } from "../refusal.ts";
import type { WorkingObject } from "../working-object.ts";
import type { Target, WriteChange, WriteSteps } from "../write-context.ts";
import type { Admission } from "./admission-review.ts";
import { mayMatch } from "./match-webhook.ts";
import { type Asked, askMutating, askValidating } from "./run-webhooks.ts";

/** A write of one object that somebody asks for. */
export interface AskedWrite {
  readonly user: User;
  readonly target: Target;
  /** Empty for a creation that leaves its name to us. */
  readonly name: string;
  readonly subresource: string;
  readonly verb: "create" | "update" | "patch" | "delete";
  readonly isDryRun: boolean;
  /** As the client names itself; absent: not at all. */
  readonly manager?: string;
}

/** How a write is to be run: with whose say, and whether it is kept. */
export interface WriteRun {
  readonly steps: WriteSteps;
  readonly dryRun: boolean;
}

/** Times a write is begun anew because its object changed while webhooks were asked. */
const attemptsMax = 5;

/**
 * Runs a write with everybody's say. Webhooks are asked about a rehearsal; what they saw is what is stored, or the
 * write begins anew.
 * @throws KubeError with the reason.
 */
export async function admit<Value>(
  context: ApiContext,
  asked: AskedWrite,
  run: (given: WriteRun) => Value,
): Promise<Value> {
  const confirm = (change: WriteChange): void => checkUser(context, asked, change);
  if (!isSeenByWebhooks(context, asked)) return run({ steps: { confirm }, dryRun: asked.isDryRun });
  for (let attempt = 0; attempt < attemptsMax; attempt++) {
    const seen = await askAll(context, asked, run);
    try {
      const value = run({ steps: stepsAfter(seen, confirm), dryRun: asked.isDryRun });
      return withWarnings(value, seen.warnings);
    } catch (error) {
      if (!(error instanceof Moved)) throw error;
    }
  }
  throw conflict(asked.target.kind, asked.name, modifiedMeanwhile);
}

/** Whether a webhook could want to see a write. */
export function isSeenByWebhooks(
  { webhooks }: ApiContext,
  { target, subresource }: Pick<AskedWrite, "target" | "subresource">,
): boolean {
  if (webhooks.isEmpty) return false;
  const all = [...webhooks.all("mutating"), ...webhooks.all("validating")];
  return all.some((webhook) => mayMatch(webhook, { target, subresource }));
}

/** The object is another than the one that the webhooks were asked about. */
class Moved extends Error {}

/** Ends a rehearsal with what was to be learnt. */
class Learnt extends Error {
  readonly change: WriteChange;

  constructor(change: WriteChange) {
    super("learnt");
    this.change = change;
  }
}

/** What the webhooks were asked about, and what they made of it. */
interface Seen {
  /** Version of what was there; undefined: nothing. */
  readonly oldVersion: string | undefined;
  /** Undefined for a deletion. */
  readonly object: WorkingObject | undefined;
  readonly uid: string | undefined;
  readonly warnings: readonly string[];
}

async function askAll(
  context: ApiContext,
  asked: AskedWrite,
  run: (given: WriteRun) => unknown,
): Promise<Seen> {
  const first = learn(asked, run, (steps) => steps);
  const mutated = await askMutating(context, admissionOf(asked, first));
  const before: Seen = {
    oldVersion: first.old?.metadata.resourceVersion,
    object: withName(mutated.object, first.object.metadata.name),
    uid: context.newUid(),
    warnings: mutated.warnings,
  };
  if (asked.verb === "delete")
    return withValidating(before, await askValidating(context, admissionOf(asked, first)));
  const confirm = (change: WriteChange): void => {
    checkUser(context, asked, change);
    throw new Learnt(snapshot(change));
  };
  const checked = learn(asked, run, () => stepsAfter(before, confirm));
  return withValidating(before, await askValidating(context, admissionOf(asked, checked)));
}

/** A name that we made stays the same from here on. */
function withName(object: WorkingObject | undefined, name: string): WorkingObject | undefined {
  if (object === undefined || (object.metadata.name ?? "") !== "") return object;
  return { ...object, metadata: { ...object.metadata, name } };
}

function withValidating(seen: Seen, { warnings }: Asked): Seen {
  return { ...seen, warnings: [...seen.warnings, ...warnings] };
}

/** Rehearses up to the first look at the object, or as the steps say. */
function learn(
  asked: AskedWrite,
  run: (given: WriteRun) => unknown,
  stepsFor: (steps: WriteSteps) => WriteSteps,
): WriteChange {
  try {
    run({ steps: stepsFor(asked.verb === "delete" ? { confirm: stop } : { prepare: stop }), dryRun: true });
  } catch (error) {
    if (error instanceof Learnt) return error.change;
    throw error;
  }
  throw conflict(asked.target.kind, asked.name, modifiedMeanwhile);
}

function stop(change: WriteChange): never {
  throw new Learnt(snapshot(change));
}

function snapshot(change: WriteChange): WriteChange {
  return { ...change, object: structuredClone(change.object), old: structuredClone(change.old) };
}

function stepsAfter(seen: Seen, confirm: (change: WriteChange) => void): WriteSteps {
  const check = (change: WriteChange): void => {
    if (change.old?.metadata.resourceVersion !== seen.oldVersion) throw new Moved("moved");
  };
  return {
    ...(seen.uid === undefined ? {} : { uid: seen.uid }),
    prepare(change) {
      check(change);
      if (seen.object === undefined) return false;
      become(change.object, structuredClone(seen.object));
      return true;
    },
    confirm(change) {
      check(change);
      confirm(change);
    },
  };
}

/** What of an object is the server's alone, whatever a webhook makes of it. */
const kept = [
  "namespace",
  "uid",
  "resourceVersion",
  "generation",
  "creationTimestamp",
  "deletionTimestamp",
] as const;

/** Makes an object what the webhooks left, but for what is the server's. */
function become(object: WorkingObject, wanted: WorkingObject): void {
  const { apiVersion, kind, metadata } = object;
  const own = Object.fromEntries(
    kept.filter((field) => metadata[field] !== undefined).map((field) => [field, metadata[field]]),
  );
  for (const field of Object.keys(object)) delete object[field];
  Object.assign(object, wanted, { apiVersion, kind, metadata: { ...wanted.metadata, ...own } });
}

function admissionOf(asked: AskedWrite, { object, old }: WriteChange): Admission {
  const { user, target, subresource, verb, isDryRun, manager } = asked;
  const isDeletion = verb === "delete";
  const operation = isDeletion ? "DELETE" : old === undefined ? "CREATE" : "UPDATE";
  const kinds = { CREATE: "CreateOptions", UPDATE: "UpdateOptions", DELETE: "DeleteOptions" } as const;
  const shown = operation === "CREATE" ? withoutGivenName(object) : object;
  return {
    user,
    target,
    subresource,
    operation,
    name: shown.metadata.name ?? "",
    object: isDeletion ? undefined : shown,
    oldObject: old,
    isDryRun,
    options: {
      kind: kinds[operation],
      apiVersion: "meta.k8s.io/v1",
      ...(isDryRun ? { dryRun: ["All"] } : {}),
      ...(manager === undefined ? {} : { fieldManager: manager }),
    },
  };
}

/** A name that we made is not known before the object is checked: by then it has its uid. */
function withoutGivenName(object: WorkingObject): WorkingObject {
  const { name, generateName, uid, ...metadata } = object.metadata;
  if (generateName === undefined || (uid ?? "") !== "" || !name.startsWith(generateName)) return object;
  // Sound: only shown to webhooks, which know metadata without a name.
  return { ...object, metadata: { ...metadata, generateName } as WorkingObject["metadata"] };
}

function withWarnings<Value>(value: Value, warnings: readonly string[]): Value {
  if (warnings.length === 0 || typeof value !== "object" || value === null || !("warnings" in value))
    return value;
  return Array.isArray(value.warnings) ? { ...value, warnings: [...value.warnings, ...warnings] } : value;
}

function checkUser(context: ApiContext, asked: AskedWrite, change: WriteChange): void {
  const { authorizer } = context;
  const { user, verb, target } = asked;
  if (verb === "delete") return;
  // To apply what is not there is to create it.
  if (verb === "patch" && change.old === undefined) {
    const { group, resource } = target.kind;
    const { namespace } = target;
    const where = { namespace, name: asked.name, subresource: asked.subresource };
    checkMay(authorizer, user, { kind: "resource", verb: "create", group, resource, ...where });
  }
  checkEscalation(authorizer, user, change);
}

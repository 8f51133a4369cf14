/** A Function or Revision as it was and as it is → what happened to it, for `kubectl describe`. */
import type { Condition, FunctionObject, RevisionObject } from "#host/kube/known-resources.ts";
import type { EventDraft } from "./workloads/workload-action.ts";

/** What happened to a Function: a revision was made, it serves, or why it does not. */
export function functionEvents(
  before: FunctionObject | undefined,
  after: FunctionObject,
): readonly EventDraft[] {
  // What is told at the start of a watch is not news.
  if (before === undefined) return [];
  return [
    ...creation(before, after),
    ...service(before, after),
    ...failure(after, readyOf(before), readyOf(after)),
  ];
}

function creation(before: FunctionObject, after: FunctionObject): readonly EventDraft[] {
  const latest = after.status?.latestRevision;
  if (latest === undefined || latest === before.status?.latestRevision) return [];
  return [normal(after, "RevisionCreated", `Created revision ${after.metadata.name}-${latest}`)];
}

function service(before: FunctionObject, after: FunctionObject): readonly EventDraft[] {
  const serving = servingOf(after);
  if (serving === undefined || serving === servingOf(before)) return [];
  return [normal(after, "Deployed", `Revision ${serving} serves at ${after.status?.url ?? ""}`)];
}

/** The revision that a Function serves; undefined when it serves none. */
function servingOf(object: FunctionObject): string | undefined {
  return readyOf(object)?.status === "True" ? object.status?.latestReadyRevision : undefined;
}

/** What happened to a Revision: a node has loaded it, or why not. */
export function revisionEvents(
  before: RevisionObject | undefined,
  after: RevisionObject,
): readonly EventDraft[] {
  if (before === undefined) return [];
  const ready = readyOf(after);
  const wasReady = readyOf(before)?.status === "True";
  const loaded =
    ready?.status === "True" && !wasReady
      ? [normal(after, "Loaded", `A node has loaded it: ${ready.message}`)]
      : [];
  return [...loaded, ...failure(after, readyOf(before), ready)];
}

function failure(
  about: FunctionObject | RevisionObject,
  before: Condition | undefined,
  after: Condition | undefined,
): readonly EventDraft[] {
  if (after?.status !== "False") return [];
  const isSame =
    before?.status === "False" && before.reason === after.reason && before.message === after.message;
  return isSame ? [] : [{ about, type: "Warning", reason: after.reason, message: after.message }];
}

function normal(about: FunctionObject | RevisionObject, reason: string, message: string): EventDraft {
  return { about, type: "Normal", reason, message };
}

function readyOf({ status }: FunctionObject | RevisionObject): Condition | undefined {
  return status?.conditions?.find(({ type }) => type === "Ready");
}

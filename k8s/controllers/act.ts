/** Carries out what a controller decided, in order, and notes what was written; the first failure ends it. */
import { isAlreadyExists, isConflict, isNotFound } from "#host/kube/kube-error.ts";
import type { KubeClient } from "#host/kube/kube-client.ts";
import type { KubeObject, ResourceType } from "#host/kube/object.ts";
import { errorText } from "#host/mesh-error.ts";
import type { EventDraft, WorkloadAction } from "../reconcile/workloads/workload-action.ts";
import type { Informers } from "./informers.ts";

/** What actions are done with. */
export interface ActTools {
  readonly client: KubeClient;
  readonly informers: Informers;
  /** Writes an event in a controller's name. */
  readonly record: (event: EventDraft) => void;
}

/** A creation or deletion that the API refused: what a status says of it. */
export class ActionFailure extends Error {
  readonly reason: "FailedCreate" | "FailedDelete" | "FailedWrite";

  constructor(reason: ActionFailure["reason"], cause: unknown) {
    super(errorText(cause), { cause });
    this.reason = reason;
  }
}

/** Writes in one turn of the event loop, so that a burst leaves room for requests. */
const writesPerTurn = 8;

/** Does them. @throws ActionFailure with what was refused; not when what was to be deleted is gone */
export async function act(actions: readonly WorkloadAction[], tools: ActTools): Promise<void> {
  let writes = 0;
  for (const action of actions) {
    if (action.kind !== "event" && ++writes % writesPerTurn === 0) await nextTurn();
    await actOnce(action, tools);
  }
}

async function actOnce(action: WorkloadAction, tools: ActTools): Promise<void> {
  if (action.kind === "event") {
    tools.record(action.event);
    return;
  }
  try {
    const name = await perform(action, tools);
    say(action.kind === "status" ? undefined : action.saying?.onDone, tools, { name });
  } catch (error) {
    if (action.kind !== "create" && isNotFound(error)) {
      // It is gone, which the watch may not have told yet.
      await tools.informers.noteDeletion(action.type, action.key);
      return;
    }
    const isRace = isConflict(error) || isAlreadyExists(error);
    if (action.kind !== "status" && !isRace) {
      say(action.saying?.onFailure, tools, { error: errorText(error) });
    }
    throw new ActionFailure(reasonOf(action), error);
  }
}

async function perform(
  action: Exclude<WorkloadAction, { kind: "event" }>,
  { client, informers }: ActTools,
): Promise<string> {
  switch (action.kind) {
    case "create":
      return noted(informers, action.type, await client.create(action.type, action.draft));
    case "patch": {
      const patch = { kind: "merge", value: action.value } as const;
      return noted(informers, action.type, await client.patch(action.type, action.key, patch));
    }
    case "status": {
      // The whole status is the controller's: a merge would keep fields that no longer hold.
      const value = [{ op: "add", path: "/status", value: action.status }];
      const written = await client.patchStatus(action.type, action.key, { kind: "json", value });
      return noted(informers, action.type, written);
    }
    case "delete": {
      const grace = action.graceSeconds === undefined ? {} : { gracePeriodSeconds: action.graceSeconds };
      const policy = action.propagation === undefined ? {} : { propagationPolicy: action.propagation };
      await client.delete(action.type, action.key, { uid: action.uid, ...grace, ...policy });
      await informers.noteDeletion(action.type, action.key);
      return action.key.name;
    }
  }
}

function noted(informers: Informers, type: ResourceType, object: KubeObject): string {
  informers.note(type, object);
  return object.metadata.name;
}

function say(
  event: EventDraft | undefined,
  { record }: ActTools,
  { name = "", error = "" }: { readonly name?: string; readonly error?: string },
): void {
  if (event === undefined) return;
  record({ ...event, message: event.message.replace("{name}", () => name).replace("{error}", () => error) });
}

function reasonOf({ kind }: WorkloadAction): ActionFailure["reason"] {
  if (kind === "create") return "FailedCreate";
  return kind === "delete" ? "FailedDelete" : "FailedWrite";
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => void setImmediate(resolve));
}

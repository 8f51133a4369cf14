/** The shell of a controller of one kind: named objects are looked at, decided on by a pure function, and acted for. */
import type { Clock } from "#host/clock.ts";
import type { KubeClient } from "#host/kube/kube-client.ts";
import { isConflict, KubeError } from "#host/kube/kube-error.ts";
import type { KubeObject } from "#host/kube/object.ts";
import type { Log } from "#host/log.ts";
import { errorText } from "#host/mesh-error.ts";
import { isSelected, controllerOf } from "../reconcile/workloads/owned.ts";
import type { Decision, EventDraft } from "../reconcile/workloads/workload-action.ts";
import type { LabelSelectorSpec } from "../model/selector.ts";
import { act, ActionFailure } from "./act.ts";
import { type Informer, parseQueueKey, queueKey } from "./informer.ts";
import type { Informers } from "./informers.ts";
import { WorkQueue } from "./work-queue.ts";

/** What every controller is given. */
export interface ControllerTools {
  readonly client: KubeClient;
  readonly informers: Informers;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Log;
  /** Writes an event in a component's name. */
  readonly record: (component: string, event: EventDraft) => void;
  /** Something was tried and failed. */
  readonly onFailure: (component: string) => void;
}

/** A controller of one kind. */
export interface KeyedController<Kind extends KubeObject> {
  /** As its events name it. */
  readonly component: string;
  readonly informer: Informer<Kind>;
  /** @param failure of the last try, until one succeeds */
  readonly decide: (object: Kind, failure: ActionFailure | undefined) => Decision;
}

/** Opens it; it begins once everything is known. */
export function openKeyed<Kind extends KubeObject>(
  { component, informer, decide }: KeyedController<Kind>,
  tools: ControllerTools,
): WorkQueue {
  const { clock, random, log, informers } = tools;
  const failures = new Map<string, ActionFailure>();
  const actTools = { ...tools, record: (event: EventDraft) => tools.record(component, event) };
  const queue = new WorkQueue({
    async work(key) {
      await informers.synced;
      const object = informer.find(parseQueueKey(key));
      if (object === undefined) {
        failures.delete(key);
        return undefined;
      }
      const { actions, againMs } = decide(object, failures.get(key));
      try {
        await act(actions, actTools);
      } catch (error) {
        if (error instanceof ActionFailure) failures.set(key, error);
        throw error;
      }
      failures.delete(key);
      return againMs;
    },
    onFailure(key, error, retryInMs) {
      // Who decided on what has changed meanwhile decides anew; that is no fault.
      const isRace = error instanceof Error && (isConflict(error.cause) || isEnding(error.cause));
      tools.onFailure(component);
      log[isRace ? "debug" : "warn"]("controller failed", {
        controller: component,
        object: key,
        error: errorText(error),
        retryInMs: Math.round(retryInMs),
      });
    },
    all: () => informer.all().map(queueKey),
    clock,
    random,
  });
  informer.onChange(({ before, after }) => {
    const object = after ?? before;
    if (object !== undefined) queue.add(queueKey(object));
  });
  return queue;
}

/** Whether a namespace that is being deleted takes nothing new: what made it goes as well. */
function isEnding(error: unknown): boolean {
  if (!(error instanceof KubeError)) return false;
  return error.status.details?.causes?.some(({ reason }) => reason === "NamespaceTerminating") === true;
}

/** What owners look like that take in objects by their labels. */
type Selecting = KubeObject & { readonly spec: { readonly selector?: LabelSelectorSpec } };

/** Has owners looked at when what they own changes, or when an orphan that they select comes up. */
export function followOwned<Owner extends Selecting, Owned extends KubeObject>(
  queue: WorkQueue,
  owners: Informer<Owner>,
  owned: Informer<Owned>,
): void {
  const tell = (object: Owned | undefined): void => {
    if (object === undefined) return;
    const { namespace } = object.metadata;
    const controller = controllerOf(object);
    if (controller?.kind === owners.type.kind) {
      queue.add(namespace === undefined ? controller.name : `${namespace}/${controller.name}`);
    }
    if (controller !== undefined) return;
    for (const owner of owners.of(namespace)) {
      const { selector } = owner.spec;
      if (selector !== undefined && isSelected(selector, object)) queue.add(queueKey(owner));
    }
  };
  owned.onChange(({ before, after }) => {
    tell(after);
    const isLost = before !== undefined && controllerOf(before)?.uid !== (after && controllerOf(after)?.uid);
    if (after === undefined || isLost) tell(before);
  });
}

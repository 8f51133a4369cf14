/** Keeps the Pods that show functions' instances, behind the instances and never on the way of a call. */
import { errorText } from "#host/mesh-error.ts";
import type { Timer } from "#host/clock.ts";
import { instanceAnnotation } from "../../model/pod.ts";
import type { EndedInstance, RunningInstance } from "../../reconcile/instances/instance-pod.ts";
import { reconcileInstances } from "../../reconcile/instances/reconcile-instances.ts";
import { act } from "../act.ts";
import type { ControllerTools } from "../keyed-controller.ts";

/** Where instances are learned of. */
export interface InstanceSource {
  readonly instances: readonly RunningInstance[];
  readonly ended: readonly EndedInstance[];
  readonly node: string;
  readonly nodeAddress: string;
  /** Resolves once the node runtime has answered: before that every instance would seem gone. */
  readonly known: Promise<void>;
}

/** See the file's head. */
export interface InstancePods {
  /** The instances are others. */
  changed(): void;
  close(): void;
}

/** Changes are gathered for so long. */
const restMs = 300;
/** Even when nothing is said to have changed: a write that failed is tried again. */
const longestRestMs = 30_000;
const component = "instance-controller";

/** Opens it. */
export function openInstancePods(source: InstanceSource, tools: ControllerTools): InstancePods {
  const { informers, clock, log } = tools;
  let timer: Timer | undefined;
  const state = { isOpen: true, isRunning: false, isWanted: false };

  const look = async (): Promise<number> => {
    await informers.synced;
    await source.known;
    const pods = informers.pods
      .all()
      .filter(({ metadata }) => metadata.annotations?.[instanceAnnotation] !== undefined);
    const { actions, againMs = longestRestMs } = reconcileInstances({
      instances: source.instances,
      ended: source.ended,
      pods,
      findRevision: (namespace, name) => informers.revisions.find({ namespace, name }),
      node: source.node,
      nodeAddress: source.nodeAddress,
      nowMs: clock.nowMs(),
    });
    await act(actions, { ...tools, record: (event) => tools.record(component, event) });
    return Math.min(longestRestMs, againMs);
  };
  const schedule = (inMs: number): void => {
    timer?.cancel();
    if (state.isOpen) timer = clock.after(inMs, () => void run());
  };
  const run = async (): Promise<void> => {
    state.isRunning = true;
    state.isWanted = false;
    let againMs = longestRestMs;
    try {
      againMs = await look();
    } catch (error) {
      // A revision or namespace that goes while it is written of; the next look knows.
      againMs = 1000;
      tools.onFailure(component);
      log.debug("instances not shown", { error: errorText(error) });
    }
    state.isRunning = false;
    schedule(state.isWanted ? restMs : againMs);
  };
  const changed = (): void => {
    if (state.isWanted) return;
    state.isWanted = true;
    if (!state.isRunning) schedule(restMs);
  };
  informers.pods.onChange(({ before, after }) => {
    const pod = after ?? before;
    const isShown = pod?.metadata.annotations?.[instanceAnnotation] !== undefined;
    if (isShown && (after === undefined || after.metadata.deletionTimestamp !== undefined)) changed();
  });
  schedule(restMs);
  return {
    changed,
    close() {
      state.isOpen = false;
      timer?.cancel();
    },
  };
}

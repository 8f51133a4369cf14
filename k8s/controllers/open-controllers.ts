/** Every controller that makes the API live, on one set of informers; opened once by the control plane. */
import type { Clock } from "#host/clock.ts";
import type { Log } from "#host/log.ts";
import { errorText } from "#host/mesh-error.ts";
import type { Api } from "../api/api.ts";
import { functionEvents, revisionEvents } from "../reconcile/function-events.ts";
import type { EventDraft } from "../reconcile/workloads/workload-action.ts";
import { openPodCollector } from "./collect-pods.ts";
import { openEndpoints } from "./endpoints/open-endpoints.ts";
import { makeEventRecorder } from "./events/event-recorder.ts";
import { startPruning } from "./events/prune-events.ts";
import { Informers } from "./informers.ts";
import { type InstanceSource, openInstancePods } from "./instances/open-instance-pods.ts";
import type { ControllerTools } from "./keyed-controller.ts";
import { openScheduler } from "./scheduling/open-scheduler.ts";
import { openEviction } from "./evict-tainted.ts";
import { watchNodes } from "./watch-nodes.ts";
import { openWorkloads } from "./workloads/open-workloads.ts";

/** What they work with. */
export interface ControllersOptions {
  readonly api: Pick<Api, "client" | "handle">;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Log;
  /** The functions' instances. */
  readonly instances: InstanceSource;
  /** A try of a controller failed; it is tried again. */
  readonly onFailure: (component: string) => void;
}

/** The controllers, running. */
export interface Controllers {
  /** The functions' instances are others. */
  instancesChanged(): void;
  close(): void;
}

/** Opens them. */
export function openControllers(options: ControllersOptions): Controllers {
  const { api, clock, random, log, onFailure } = options;
  const { client } = api;
  const informers = new Informers({
    client,
    clock,
    onError: (kind, error) => log.warn("watch failed", { kind, error: errorText(error) }),
  });
  const events = makeEventRecorder({
    client,
    clock,
    onError: (error) => log.debug("event not written", { error: errorText(error) }),
  });
  const record: ControllerTools["record"] = (component, event) => events.record(component, event);
  const tools: ControllerTools = { client, informers, clock, random, log, record, onFailure };
  tellOfFunctions(informers, (event) => record("function-controller", event));
  const instances = openInstancePods(options.instances, tools);
  const parts = [
    instances,
    openScheduler(api, tools),
    ...openWorkloads(tools),
    openEndpoints(tools),
    openPodCollector(tools),
    watchNodes(tools),
    openEviction(tools),
    startPruning({
      client,
      clock,
      onError: (error) => log.warn("events not pruned", { error: errorText(error) }),
    }),
  ];
  // Last: what is listening is told of everything there is.
  informers.start();
  return {
    instancesChanged: () => instances.changed(),
    close() {
      informers.close();
      for (const part of parts) part.close();
      events.close();
    },
  };
}

/** Events of Functions and Revisions, whose controller is elsewhere: their statuses tell what it did. */
function tellOfFunctions(informers: Informers, record: (event: EventDraft) => void): void {
  informers.functions.onChange(({ before, after }) => {
    if (after !== undefined) for (const event of functionEvents(before, after)) record(event);
  });
  informers.revisions.onChange(({ before, after }) => {
    if (after !== undefined) for (const event of revisionEvents(before, after)) record(event);
  });
}

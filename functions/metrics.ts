/** The metrics of the node runtime: name, help and labels of each; label values come from closed unions. */
import type { MetricsRegistry } from "#host/admin/metrics.ts";
import type { Rung } from "./activation/instance.ts";
import type { ExitReason } from "./activation/slot-port.ts";

/** How an activation ended. */
export type ActivationResult = "ok" | "not-found" | "limit-reached" | "timeout" | "load-failed" | "failed";

/** Everything that is counted as it happens. */
export interface NodeMetrics {
  activation(rung: Rung | "none", result: ActivationResult): void;
  started(rung: "pooled" | "new", tookMs: number): void;
  instanceGone(reason: ExitReason): void;
  scheduledRun(result: "succeeded" | "failed" | "skipped"): void;
  waypointWoken(result: "awake" | "failed", tookMs: number): void;
  spansDropped(count: number): void;
}

/** What is read at each exposition. */
export interface NodeFacts {
  readonly instances: number;
  readonly starting: number;
  readonly slotsReady: number;
  readonly slotsOpen: number;
  readonly revisions: number;
  readonly isZtunnelSynced: boolean;
  readonly logLinesDropped: number;
  readonly waypointsAwake: number;
}

/** From far below the bar of 5 ms to the longest activation timeout that is usual, in milliseconds. */
const startBounds = [1, 2, 3, 4, 5, 7.5, 10, 15, 25, 50, 100, 250, 1000, 2500, 10_000];
const wakeBounds = [5, 10, 25, 50, 100, 250, 500, 1000, 2500, 10_000];

/** Registers what is counted. */
export function openMetrics(registry: MetricsRegistry): NodeMetrics {
  const activations = registry.counter<"rung" | "result">({
    name: "lambient_activations_total",
    help: "Answers to activate, by how warm what served was.",
    labels: ["rung", "result"],
  });
  const starts = registry.histogram<"rung">({
    name: "lambient_instance_start_milliseconds",
    help: "From deciding to start an instance to its serving.",
    labels: ["rung"],
    bounds: startBounds,
  });
  const ends = registry.counter<"reason">({
    name: "lambient_instance_ends_total",
    help: "Instances that are gone, by why.",
    labels: ["reason"],
  });
  const runs = registry.counter<"result">({
    name: "lambient_scheduled_runs_total",
    help: "Runs of scheduled handlers.",
    labels: ["result"],
  });
  const wakes = registry.histogram<"result">({
    name: "lambient_waypoint_wake_milliseconds",
    help: "From a connection to a sleeping waypoint to its accepting.",
    labels: ["result"],
    bounds: wakeBounds,
  });
  const dropped = registry.counter<never>({
    name: "lambient_function_spans_dropped_total",
    help: "Spans of functions that were lost.",
    labels: [],
  })({});
  return {
    activation: (rung, result) => activations({ rung, result }).add(),
    started: (rung, tookMs) => starts({ rung }).observe(tookMs),
    instanceGone: (reason) => ends({ reason }).add(),
    scheduledRun: (result) => runs({ result }).add(),
    waypointWoken: (result, tookMs) => wakes({ result }).observe(tookMs),
    spansDropped: (count) => dropped.add(count),
  };
}

/** Registers what is read at each exposition. */
export function registerFacts(registry: MetricsRegistry, readFacts: () => NodeFacts): void {
  const gauge = (name: string, help: string) => registry.gauge<never>({ name, help, labels: [] })({});
  const instances = gauge("lambient_instances", "Instances that run or stop.");
  const starting = gauge("lambient_instances_starting", "Instances on their way.");
  const slotsReady = gauge("lambient_slots_ready", "Slots in reserve.");
  const slotsOpen = gauge("lambient_slots_open", "Slots in reserve and in use.");
  const revisions = gauge("lambient_revisions", "Revisions known.");
  const synced = gauge("lambient_ztunnel_synced", "1 while a ztunnel holds every slot.");
  const lines = gauge("lambient_log_lines_dropped", "Lines of functions that could not be written.");
  const awake = gauge("lambient_waypoints_awake", "Waypoints that serve.");
  registry.onCollect(() => {
    const facts = readFacts();
    instances.set(facts.instances);
    starting.set(facts.starting);
    slotsReady.set(facts.slotsReady);
    slotsOpen.set(facts.slotsOpen);
    revisions.set(facts.revisions);
    synced.set(facts.isZtunnelSynced ? 1 : 0);
    lines.set(facts.logLinesDropped);
    awake.set(facts.waypointsAwake);
  });
}

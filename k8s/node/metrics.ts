/** The metrics of the node's program that are not enrolment's: name, help and labels of each. */
import type { MetricsRegistry } from "#host/admin/metrics.ts";

/** What is read at each exposition. */
export interface NodeFacts {
  readonly pods: number;
  readonly eventsDropped: number;
  readonly streams: number;
}

/** Registers what is read at each exposition. */
export function registerFacts(registry: MetricsRegistry, readFacts: () => NodeFacts): void {
  const gauge = (name: string, help: string) => registry.gauge<never>({ name, help, labels: [] })({});
  const pods = gauge("lambient_pods", "Pods of this node, ended ones that are not deleted yet included.");
  const events = gauge(
    "lambient_pod_events_dropped",
    "Events about Pods that were not written, as too many waited.",
  );
  const streams = gauge(
    "lambient_pod_streams",
    "Logs, commands, attachments and ports of Pods that are open.",
  );
  registry.onCollect(() => {
    const facts = readFacts();
    pods.set(facts.pods);
    events.set(facts.eventsDropped);
    streams.set(facts.streams);
  });
}

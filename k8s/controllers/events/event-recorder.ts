/**
 * Writes Events: what repeats is counted in one Event, what differs only in its words is gathered, and who says too much is
 * cut short. Never throws and never waits: an Event that cannot be written is dropped and reported.
 */
import type { Clock } from "#host/clock.ts";
import type { KubeClient } from "#host/kube/kube-client.ts";
import { isNotFound } from "#host/kube/kube-error.ts";
import { timestamp } from "../../api/write-context.ts";
import { eventResource } from "../../model/event.ts";
import type { EventDraft } from "../../reconcile/workloads/workload-action.ts";
import { EventSeries, type SeriesEntry } from "./event-series.ts";

/** What a recorder works with. */
export interface EventRecorderOptions {
  readonly client: KubeClient;
  readonly clock: Clock;
  /** Where Events come from, besides the component: a node's name. */
  readonly host?: string;
  readonly onError: (error: unknown) => void;
}

/** See the file's head. */
export interface EventRecorder {
  /** Says something in a component's name. */
  record(component: string, event: EventDraft): void;
  close(): void;
}

/** Events that wait to be written. */
const waitingMax = 1000;

/** Makes one. */
export function makeEventRecorder(options: EventRecorderOptions): EventRecorder {
  const { client, clock, onError } = options;
  const series = new EventSeries();
  const waiting: { readonly entry: SeriesEntry; readonly component: string; readonly event: EventDraft }[] =
    [];
  const state = { isWriting: false, isOpen: true };

  const writeAll = async (): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined && state.isOpen; next = waiting.shift()) {
      try {
        await write(next.entry, next.component, next.event);
      } catch (error) {
        // A namespace that is being deleted takes none; nothing else depends on it.
        onError(error);
      }
      // Each in a turn of its own: nothing is in a hurry here.
      await new Promise((resolve) => void setImmediate(resolve));
    }
    state.isWriting = false;
  };

  const write = async (entry: SeriesEntry, component: string, event: EventDraft): Promise<void> => {
    const { metadata, apiVersion, kind } = event.about;
    const { name, uid, resourceVersion, namespace = "default" } = metadata;
    const lastTimestamp = timestamp(clock.nowMs());
    if (entry.count > 1) {
      const value = { count: entry.count, lastTimestamp, message: entry.message };
      try {
        await client.patch(eventResource, { namespace, name: entry.name }, { kind: "merge", value });
        return;
      } catch (error) {
        // It was pruned or deleted meanwhile: it is written anew with its count.
        if (!isNotFound(error)) throw error;
      }
    }
    const place = metadata.namespace === undefined ? {} : { namespace: metadata.namespace };
    await client.create(eventResource, {
      metadata: { namespace, name: entry.name },
      involvedObject: { kind, ...place, name, uid, apiVersion, resourceVersion },
      reason: event.reason,
      message: entry.message,
      source: { component, ...(options.host === undefined ? {} : { host: options.host }) },
      firstTimestamp: timestamp(entry.firstMs),
      lastTimestamp,
      count: entry.count,
      type: event.type,
      eventTime: null,
      reportingComponent: component,
      reportingInstance: options.host ?? "",
    });
  };

  return {
    record(component, event) {
      const entry = series.take(component, event, clock.nowMs());
      if (entry === undefined || !state.isOpen || waiting.length >= waitingMax) return;
      waiting.push({ entry, component, event });
      if (state.isWriting) return;
      state.isWriting = true;
      void writeAll();
    },
    close() {
      state.isOpen = false;
    },
  };
}

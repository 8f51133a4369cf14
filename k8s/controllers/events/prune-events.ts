/** Removes Events that are older than an hour, and the oldest beyond a number, whoever wrote them. */
import type { Clock, Timer } from "#host/clock.ts";
import type { KubeClient } from "#host/kube/kube-client.ts";
import { isNotFound } from "#host/kube/kube-error.ts";
import { type EventObject, eventResource } from "../../model/event.ts";

/** What pruning works with. */
export interface PruneOptions {
  readonly client: KubeClient;
  readonly clock: Clock;
  readonly onError: (error: unknown) => void;
  /** Default an hour, as in Kubernetes. */
  readonly livedMsMax?: number;
  /** Default 20000. */
  readonly eventsMax?: number;
}

const everyMs = 120_000;
const pageSize = 250;

/** Prunes again and again, the first time soon. */
export function startPruning(options: PruneOptions): { close(): void } {
  let timer: Timer | undefined;
  let isOpen = true;
  const run = async (): Promise<void> => {
    try {
      await pruneEvents(options);
    } catch (error) {
      // Housekeeping: the next round tries again.
      options.onError(error);
    }
    if (isOpen) timer = options.clock.after(everyMs, () => void run());
  };
  timer = options.clock.after(1000, () => void run());
  return {
    close() {
      isOpen = false;
      timer?.cancel();
    },
  };
}

/** Prunes once. @returns how many Events went */
export async function pruneEvents(options: PruneOptions): Promise<number> {
  const { client, clock, livedMsMax = 3_600_000, eventsMax = 20_000 } = options;
  const kept: { readonly event: EventObject; readonly atMs: number }[] = [];
  let removed = 0;
  let token: string | undefined;
  do {
    const page = await client.list(eventResource, {
      limit: pageSize,
      ...(token === undefined ? {} : { continue: token }),
    });
    for (const event of page.items) {
      const atMs = lastSeenMs(event);
      if (clock.nowMs() - atMs <= livedMsMax) kept.push({ event, atMs });
      else removed += await remove(client, event);
    }
    token = page.metadata.continue;
    await new Promise((resolve) => void setImmediate(resolve));
  } while (token !== undefined && token !== "");
  kept.sort((a, b) => a.atMs - b.atMs);
  for (const { event } of kept.slice(0, Math.max(0, kept.length - eventsMax))) {
    removed += await remove(client, event);
  }
  return removed;
}

function lastSeenMs({ lastTimestamp, eventTime, firstTimestamp, metadata }: EventObject): number {
  const text = lastTimestamp ?? eventTime ?? firstTimestamp ?? metadata.creationTimestamp;
  const atMs = Date.parse(text);
  return Number.isNaN(atMs) ? Date.parse(metadata.creationTimestamp) : atMs;
}

async function remove(client: KubeClient, { metadata }: EventObject): Promise<number> {
  const { namespace, name, uid } = metadata;
  try {
    await client.delete(eventResource, { namespace, name }, { uid });
    return 1;
  } catch (error) {
    // Somebody else was quicker, which is what was wanted.
    if (isNotFound(error)) return 0;
    throw error;
  }
}

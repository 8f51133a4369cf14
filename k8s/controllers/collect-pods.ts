/** Looks again and again for Pods that nobody will end, and removes them. */
import type { Timer } from "#host/clock.ts";
import { errorText } from "#host/mesh-error.ts";
import { collectPods, missingNodes } from "../reconcile/pods/collect-pods.ts";
import { act } from "./act.ts";
import type { ControllerTools } from "./keyed-controller.ts";

const everyMs = 10_000;
/** A node that is missing may be there again: a Pod is lost only after this time. */
const lostAfterMs = 40_000;
const component = "pod-garbage-collector";

/** Begins. */
export function openPodCollector(tools: ControllerTools): { close(): void } {
  const { informers, clock, log } = tools;
  const missingSince = new Map<string, number>();
  let timer: Timer | undefined;
  let isOpen = true;

  const look = async (): Promise<void> => {
    const nowMs = clock.nowMs();
    const pods = informers.pods.all();
    const nodes = new Set(informers.nodes.all().map(({ metadata }) => metadata.name));
    const missing = missingNodes({ pods, nodes });
    for (const name of missingSince.keys()) if (!missing.has(name)) missingSince.delete(name);
    for (const name of missing) if (!missingSince.has(name)) missingSince.set(name, nowMs);
    const lost = [...missingSince].filter(([, sinceMs]) => nowMs - sinceMs >= lostAfterMs);
    const lostNodes = new Set(lost.map(([name]) => name));
    await act(collectPods({ pods, nodes, lostNodes, nowMs }), {
      ...tools,
      record: (event) => tools.record(component, event),
    });
  };
  const run = async (): Promise<void> => {
    try {
      await informers.synced;
      await look();
    } catch (error) {
      // The next round tries again.
      tools.onFailure(component);
      log.warn("pods not collected", { error: errorText(error) });
    }
    if (isOpen) timer = clock.after(everyMs, () => void run());
  };
  timer = clock.after(everyMs, () => void run());
  return {
    close() {
      isOpen = false;
      timer?.cancel();
    },
  };
}

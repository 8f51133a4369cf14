/** Looks for nodes that have fallen silent, when one of them should have spoken and did not. */
import type { Timer } from "#host/clock.ts";
import { errorText } from "#host/mesh-error.ts";
import { decideHeartbeat } from "../reconcile/nodes/decide-heartbeat.ts";
import { act } from "./act.ts";
import type { ControllerTools } from "./keyed-controller.ts";

const component = "node-controller";
/** Also when nothing is due: a node may have come. */
const longestRestMs = 10_000;

/** Begins. */
export function watchNodes(tools: ControllerTools): { close(): void } {
  const { informers, clock, log } = tools;
  let timer: Timer | undefined;
  let isOpen = true;
  const run = async (): Promise<void> => {
    let restMs = longestRestMs;
    try {
      await informers.synced;
      const { actions, againMs = longestRestMs } = decideHeartbeat(informers.nodes.all(), clock.nowMs());
      await act(actions, { ...tools, record: (event) => tools.record(component, event) });
      restMs = Math.min(longestRestMs, againMs);
    } catch (error) {
      // The node spoke in between, or the next look tries again.
      tools.onFailure(component);
      log.debug("node not looked at", { error: errorText(error) });
    }
    if (isOpen) timer = clock.after(restMs, () => void run());
  };
  timer = clock.after(longestRestMs, () => void run());
  return {
    close() {
      isOpen = false;
      timer?.cancel();
    },
  };
}

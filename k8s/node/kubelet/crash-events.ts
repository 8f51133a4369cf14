/** Says in an Event, once a wait, that a container waits after a crash. */
import type { PodObject } from "../../model/pod.ts";
import type { ContainerFacts } from "../../reconcile/pods/container-facts.ts";
import { backOffMessage } from "../../reconcile/pods/pod-status.ts";
import type { PodEvents } from "./pod-events.ts";

/** See the file's opening; of one Pod. */
export class CrashEvents {
  readonly #events: Pick<PodEvents, "record">;
  /** The run that was told of, by container. */
  readonly #told = new Map<string, number>();

  constructor(events: Pick<PodEvents, "record">) {
    this.#events = events;
  }

  /** Tells of those that wait and were not told of. @param started those that begin anew now */
  tell(pod: PodObject, containers: readonly ContainerFacts[], started: readonly string[]): void {
    for (const { name, run, backOff, restarts, problem, role } of containers) {
      const isWaiting = run?.kind === "ended" && backOff !== undefined && problem === undefined;
      if (!isWaiting || started.includes(name) || this.#told.get(name) === restarts) continue;
      this.#told.set(name, restarts);
      const message = backOffMessage(pod, name, backOff.delayMs).replace(/^back-off/, "Back-off");
      const about = { container: name, isInit: role !== "main" };
      this.#events.record(pod, { type: "Warning", reason: "BackOff", message, ...about });
    }
  }
}

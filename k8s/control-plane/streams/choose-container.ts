/** Which container of a Pod a client means, and whether it can have its log or a command in it: Kubernetes' rules in Kubernetes' words. Pure. */
import { err, ok, type Result } from "#core/result.ts";
import type { ContainerState, ContainerView, PodView } from "./pod-view.ts";

/** The container that is named; without a name the only one. */
export function chooseContainer(pod: PodView, name: string): Result<ContainerView> {
  if (name !== "") {
    const found = pod.containers.find((container) => container.name === name);
    return found === undefined ? err(`container ${name} is not valid for pod ${pod.name}`) : ok(found);
  }
  const [only] = pod.mainContainers;
  if (only === undefined) return err(`a container name must be specified for pod ${pod.name}`);
  if (pod.mainContainers.length === 1) return ok(only);
  const names = pod.containers.map((container) => container.name).join(" ");
  return err(`a container name must be specified for pod ${pod.name}, choose one of: [${names}]`);
}

/** Why there is no log to show, if there is none. */
export function missingLog(pod: PodView, container: string, previous: boolean): string | undefined {
  const what = `container ${JSON.stringify(container)} in pod ${JSON.stringify(pod.name)}`;
  const state = pod.states.find(({ name }) => name === container);
  if (state === undefined) return `${what} is not available`;
  if (previous) return state.hadInstance ? undefined : `previous terminated ${what} not found`;
  switch (state.kind) {
    case "running":
      return undefined;
    case "terminated":
      return state.hasEnded || state.hadInstance ? undefined : `${what} is terminated`;
    case "waiting":
      return waitingReason(state, what);
    case "unknown":
      return `${what} is waiting to start - no logs yet`;
  }
}

/** One that waits to be started again still has the log of its last instance. */
function waitingReason(state: ContainerState, what: string): string | undefined {
  if (state.hasLast) return state.hadInstance ? undefined : `${what} is terminated`;
  const why = pullReasons.get(state.reason) ?? state.reason;
  return `${what} is waiting to start: ${why}`;
}

const pullReasons: ReadonlyMap<string, string> = new Map([
  ["ErrImagePull", "image can't be pulled"],
  ["ImagePullBackOff", "trying and failing to pull image"],
]);

/** Whether a container runs, so that there is something to exec into or attach to. */
export function isRunning(pod: PodView, container: string): boolean {
  return pod.states.some(({ name, kind }) => name === container && kind === "running");
}

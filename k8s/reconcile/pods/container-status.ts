/** A container's status as the API shows it, from what is known of its runs. Pure. */
import type { ContainerState, ContainerStatus } from "../../model/pod.ts";
import type { ContainerFacts, EndedRun, LiveRun } from "./container-facts.ts";

/** What the kubelet adds to a container's facts. */
export interface ContainerIdentity {
  /** As the Pod names it. */
  readonly image: string;
  readonly imageID: string;
  /** What a container that never ran waits for: `PodInitializing` or `ContainerCreating`. */
  readonly waitsFor: string;
  /** While it waits after a crash. */
  readonly crashMessage: string | undefined;
}

/** Builds it. */
export function decideContainerStatus(facts: ContainerFacts, who: ContainerIdentity): ContainerStatus {
  const { run, lastRun, role } = facts;
  const state = stateOf(facts, who);
  const shownLast = run?.kind === "ended" && state.waiting !== undefined ? run : lastRun;
  return {
    name: facts.name,
    state,
    lastState: shownLast === undefined ? {} : endedState(shownLast),
    ready: isReady(facts),
    restartCount: facts.restarts,
    image: who.image,
    imageID: who.imageID,
    ...withId(run ?? lastRun),
    started: run?.kind === "running" && (role === "init" || run.isStarted),
  };
}

function withId(run: LiveRun | EndedRun | undefined): { containerID?: string } {
  return run === undefined ? {} : { containerID: containerId(run.id) };
}

/** The id of a run as statuses show it. */
function containerId(id: string): string {
  return `lambient://${id}`;
}

function isReady({ run, role }: ContainerFacts): boolean {
  if (role === "init") return run?.kind === "ended" && run.exitCode === 0;
  return run?.kind === "running" && run.isReady;
}

function stateOf(facts: ContainerFacts, who: ContainerIdentity): ContainerState {
  const { run, problem } = facts;
  if (run?.kind === "running") return runningState(run);
  if (problem !== undefined) return { waiting: { reason: problem.reason, message: problem.message } };
  if (run === undefined) return { waiting: { reason: who.waitsFor } };
  if (who.crashMessage !== undefined) {
    return { waiting: { reason: "CrashLoopBackOff", message: who.crashMessage } };
  }
  return endedState(run);
}

function runningState({ startedAtMs }: LiveRun): ContainerState {
  return { running: { startedAt: formatTime(startedAtMs) } };
}

function endedState(run: EndedRun): ContainerState {
  return {
    terminated: {
      exitCode: run.exitCode,
      ...(run.signal === undefined ? {} : { signal: run.signal }),
      reason: run.reason,
      ...(run.message === undefined || run.message === "" ? {} : { message: run.message }),
      startedAt: formatTime(run.startedAtMs),
      finishedAt: formatTime(run.endedAtMs),
      containerID: containerId(run.id),
    },
  };
}

/** An instant as the API writes it: RFC 3339 in UTC, whole seconds. */
export function formatTime(atMs: number): string {
  return `${new Date(atMs).toISOString().slice(0, 19)}Z`;
}

/** Which of a Pod's containers to start and which to end, now. Pure: the kubelet gathers the facts and does what is decided. */
import type { RestartPolicy } from "../../model/pod.ts";
import { type BackOffLimits, earliestStartMs } from "./back-off.ts";
import { type ContainerFacts, isRestarted } from "./container-facts.ts";

/** What is decided on. */
export interface PodFacts {
  readonly restartPolicy: RestartPolicy;
  /** In the order of their start: init containers and sidecars as they stand in the Pod, then the others. */
  readonly containers: readonly ContainerFacts[];
  readonly nowMs: number;
  readonly backOff: BackOffLimits;
}

/** A container to end. */
export interface ContainerEnd {
  readonly name: string;
  readonly why: string;
}

/** What to do. */
export interface ContainerDecision {
  readonly start: readonly string[];
  readonly end: readonly ContainerEnd[];
  /** When to decide again though nothing happened. */
  readonly wakeAtMs: number | undefined;
  /** Nothing runs, and nothing will be started any more. */
  readonly isOver: boolean;
}

/** Decides. */
export function decideContainers(facts: PodFacts): ContainerDecision {
  const end = facts.containers.flatMap(({ name, run }) =>
    run?.kind === "running" && run.mustEnd !== undefined ? [{ name, why: run.mustEnd }] : [],
  );
  if (isDone(facts)) return decideEnd(facts, end);
  const due = dueContainers(facts).map((container) => ({ container, atMs: startAtMs(container, facts) }));
  const waits = due.filter(({ atMs }) => atMs > facts.nowMs).map(({ atMs }) => atMs);
  return {
    start: due.filter(({ atMs }) => atMs <= facts.nowMs).map(({ container }) => container.name),
    end,
    wakeAtMs: waits.length === 0 ? undefined : Math.min(...waits),
    isOver: false,
  };
}

/** Whether what the Pod is for has ended for good: sidecars do not count. */
function isDone({ containers, restartPolicy }: PodFacts): boolean {
  const endedForGood = ({ role, run }: ContainerFacts): boolean =>
    run?.kind === "ended" && !isRestarted(role, restartPolicy, run.exitCode);
  const failed = containers.some(
    (container) => container.role === "init" && endedForGood(container) && !hasSucceeded(container),
  );
  return failed || containers.filter(({ role }) => role === "main").every(endedForGood);
}

function decideEnd({ containers }: PodFacts, end: readonly ContainerEnd[]): ContainerDecision {
  const live = containers.filter(({ run }) => run?.kind === "running");
  const others = live.filter(({ name }) => !end.some((one) => one.name === name));
  const late = others.map(({ name }) => ({ name, why: "the Pod's other containers have ended" }));
  return { start: [], end: [...end, ...late], wakeAtMs: undefined, isOver: live.length === 0 };
}

/** The containers that are to run and do not, in order, as far as the order lets them start now. */
function dueContainers({ containers, restartPolicy }: PodFacts): ContainerFacts[] {
  const hasBegun = containers.some(({ role, run }) => role === "main" && run !== undefined);
  const due: ContainerFacts[] = [];
  for (const container of containers) {
    const { role, run } = container;
    if (role === "init" && hasBegun) continue;
    if (run === undefined || (run.kind === "ended" && isRestarted(role, restartPolicy, run.exitCode))) {
      due.push(container);
    }
    if (role !== "main" && !hasBegun && !letsOthersStart(container)) return due;
  }
  return due;
}

function letsOthersStart(container: ContainerFacts): boolean {
  const { role, run } = container;
  return role === "sidecar" ? run?.kind === "running" && run.isStarted : hasSucceeded(container);
}

function hasSucceeded({ run }: ContainerFacts): boolean {
  return run?.kind === "ended" && run.exitCode === 0;
}

function startAtMs({ run, backOff, problem }: ContainerFacts, facts: PodFacts): number {
  const afterEnd = run?.kind === "ended" ? earliestStartMs(backOff, run.endedAtMs, facts.backOff) : 0;
  return Math.max(afterEnd, problem?.retryAtMs ?? 0);
}

/** What a container's status says of a run that this machine no longer has. Pure. */
import type { ContainerStatus } from "../../model/pod.ts";
import type { EndedRun } from "../../reconcile/pods/container-facts.ts";
import { describeEnd } from "./ended-run.ts";

/** Where a container goes on from. */
export interface InheritedRun {
  readonly restarts: number;
  /** Its last run, if the next start depends on how that ended. */
  readonly run: EndedRun | undefined;
}

const idScheme = /^[a-z]+:\/\//;

/** The run as it ended; one that still ran then ended in a way nobody knows. */
export function endedRun(
  { state, restartCount, containerID = "" }: ContainerStatus,
  nowMs: number,
): InheritedRun {
  const id = containerID.replace(idScheme, "");
  const { terminated } = state;
  const startedAtMs = timeOf(terminated?.startedAt ?? state.running?.startedAt, nowMs);
  const endedAtMs = timeOf(terminated?.finishedAt, nowMs);
  const times = { id, startedAtMs, endedAtMs };
  if (terminated === undefined) {
    const run = describeEnd({ ...times, status: undefined, isOutOfMemory: false, message: "" });
    return { restarts: restartCount, run };
  }
  const { exitCode, signal, reason = "Error", message } = terminated;
  const run: EndedRun = {
    kind: "ended",
    ...times,
    exitCode,
    reason,
    ...(signal === undefined ? {} : { signal }),
    ...(message === undefined ? {} : { message }),
  };
  return { restarts: restartCount, run };
}

/** A container that begins again as if for the first time. */
export function startedAnew({ restartCount }: ContainerStatus): InheritedRun {
  return { restarts: restartCount + 1, run: undefined };
}

function timeOf(text: string | undefined, otherwiseMs: number): number {
  return text === undefined ? otherwiseMs : Date.parse(text);
}

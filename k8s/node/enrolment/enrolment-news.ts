/** What is told of each move of a Pod, everywhere it is told: metrics, the log, Events. Decides nothing. */
import type { Log } from "#host/log.ts";
import { errorText } from "#host/mesh-error.ts";
import type { CaptureFault } from "./capture-pod.ts";
import type { Direction, EnrolmentMetrics } from "./enrolment-metrics.ts";
import type { PodObject } from "../../model/pod.ts";
import type { NamedPod } from "./redirections.ts";

/** See the file's opening. */
export interface EnrolmentNews {
  /** A Pod was taken in, or let go for a reason, and stood still for `stoodMs`. */
  moved(pod: NamedPod, move: Move): void;
  /** An attempt failed and is made again. */
  failed(pod: NamedPod, direction: Direction, failure: { error: unknown; retryInMs: number }): void;
  /** It waits for a ztunnel. */
  waiting(pod: NamedPod): void;
  mended(pod: NamedPod, faults: readonly CaptureFault[]): void;
}

/** A move that was made. */
export interface Move {
  readonly direction: Direction;
  readonly tookMs: number;
  readonly stoodMs: number;
  readonly reason: string;
}

/** Where it is told. */
export interface NewsOptions {
  readonly metrics: EnrolmentMetrics;
  readonly log: Log;
  readonly events: PodEventSink;
  /** The Pod as the API has it. */
  readonly find: (uid: string) => PodObject | undefined;
}

/** Takes Events about Pods. */
export interface PodEventSink {
  record(pod: PodObject, event: PodNews): void;
}

/** What people are told. */
export interface PodNews {
  readonly type: "Normal" | "Warning";
  readonly reason: "Enrolled" | "Unenrolled" | "EnrolmentFailed" | "EnrolmentRepaired";
  readonly message: string;
}

/** Makes it. */
export function enrolmentNews({ metrics, log, events, find }: NewsOptions): EnrolmentNews {
  const tell = ({ uid }: NamedPod, news: PodNews): void => {
    const pod = find(uid);
    if (pod !== undefined) events.record(pod, news);
  };
  return {
    moved(pod, { direction, tookMs, stoodMs, reason }) {
      metrics.moved(direction, tookMs, stoodMs);
      const times = { tookMs: tenths(tookMs), stoodMs: tenths(stoodMs) };
      const isIn = direction === "in";
      log.info(isIn ? "Pod enrolled" : "Pod unenrolled", { pod: nameOf(pod), reason, ...times });
      const message = isIn ? "Taken into the mesh" : `Let go of by the mesh: ${reason}`;
      tell(pod, { type: "Normal", reason: isIn ? "Enrolled" : "Unenrolled", message });
    },
    failed(pod, direction, { error, retryInMs }) {
      metrics.failed(direction);
      log.warn("Pod not moved", { pod: nameOf(pod), direction, error: errorText(error), retryInMs });
      const way = direction === "in" ? "into" : "out of";
      const message = `Cannot move it ${way} the mesh: ${errorText(error)}`;
      tell(pod, { type: "Warning", reason: "EnrolmentFailed", message });
    },
    waiting(pod) {
      log.info("Pod waits for a ztunnel", { pod: nameOf(pod) });
      const message = "Waits for a ztunnel to take it into the mesh: none is connected";
      tell(pod, { type: "Warning", reason: "EnrolmentFailed", message });
    },
    mended(pod, faults) {
      for (const fault of faults) metrics.repaired(fault);
      const what = faults.join(", ");
      log.warn("capture mended", { pod: nameOf(pod), what });
      const message = `Mended what had been changed of its capture: ${what}`;
      tell(pod, { type: "Warning", reason: "EnrolmentRepaired", message });
    },
  };
}

function nameOf({ namespace, name }: NamedPod): string {
  return `${namespace}/${name}`;
}

function tenths(ms: number): number {
  return Math.round(ms * 10) / 10;
}

/** What is told of each move of a Pod, everywhere it is told: metrics, the log, Events. Decides nothing. */
import type { Log } from "#host/log.ts";
import { errorText } from "#host/mesh-error.ts";
import type { CaptureFault } from "./capture-pod.ts";
import type { Direction, EnrolmentMetrics } from "./enrolment-metrics.ts";
import type { NoticedPod, PodNotices } from "./pod-notices.ts";

/** See the file's opening. */
export interface EnrolmentNews {
  /** A Pod was taken in, or let go for a reason, and stood still for `stoodMs`. */
  moved(pod: NoticedPod, move: Move): void;
  /** An attempt failed and is made again. */
  failed(pod: NoticedPod, direction: Direction, failure: { error: unknown; retryInMs: number }): void;
  mended(pod: NoticedPod, faults: readonly CaptureFault[]): void;
}

/** A move that was made. */
export interface Move {
  readonly direction: Direction;
  readonly tookMs: number;
  readonly stoodMs: number;
  readonly reason: string;
}

/** Makes it. */
export function enrolmentNews(metrics: EnrolmentMetrics, notices: PodNotices, log: Log): EnrolmentNews {
  return {
    moved(pod, { direction, tookMs, stoodMs, reason }) {
      metrics.moved(direction, tookMs, stoodMs);
      const times = { tookMs: tenths(tookMs), stoodMs: tenths(stoodMs) };
      const isIn = direction === "in";
      log.info(isIn ? "Pod enrolled" : "Pod unenrolled", { pod: nameOf(pod), reason, ...times });
      const message = isIn ? "Taken into the mesh" : `Let go of by the mesh: ${reason}`;
      notices.tell(pod, { type: "Normal", reason: isIn ? "Enrolled" : "Unenrolled", message });
    },
    failed(pod, direction, { error, retryInMs }) {
      metrics.failed(direction);
      log.warn("Pod not moved", { pod: nameOf(pod), direction, error: errorText(error), retryInMs });
      const way = direction === "in" ? "into" : "out of";
      const message = `Cannot move it ${way} the mesh: ${errorText(error)}`;
      notices.tell(pod, { type: "Warning", reason: "EnrolmentFailed", message });
    },
    mended(pod, faults) {
      for (const fault of faults) metrics.repaired(fault);
      const what = faults.join(", ");
      log.warn("capture mended", { pod: nameOf(pod), what });
      const message = `Mended what had been changed of its capture: ${what}`;
      notices.tell(pod, { type: "Warning", reason: "EnrolmentRepaired", message });
    },
  };
}

function nameOf({ namespace, name }: NoticedPod): string {
  return `${namespace}/${name}`;
}

function tenths(ms: number): number {
  return Math.round(ms * 10) / 10;
}

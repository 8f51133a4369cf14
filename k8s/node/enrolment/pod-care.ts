/** Looks after a captured Pod: mends what is not as it should be, and notes what of its surroundings has changed. When it is looked at is decided elsewhere. */
import { type CaptureOptions, type CaptureTarget, keepsConnections, mendCapture } from "./capture-pod.ts";
import type { EnrolmentNews } from "./enrolment-news.ts";
import type { RoutedPod } from "./pod-routing.ts";
import type { PodZds } from "./pod-zds.ts";

/** What care needs. */
export interface CareOptions {
  readonly capture: CaptureOptions;
  readonly zds: Pick<PodZds, "isServed" | "repeat">;
  readonly news: Pick<EnrolmentNews, "mended">;
}

/**
 * Looks once. @returns how the Pod is captured from now on: whether ztunnel has listeners for it, and whether connections from before are open
 * @throws Error when its namespace cannot be looked at
 */
export function careForPod({ capture, zds, news }: CareOptions, target: CaptureTarget): RoutedPod {
  const { sandbox, pod, link } = target;
  const faults = mendCapture(capture, target);
  const isServed = link.hasListeners();
  // Listeners are ztunnel's to make; without a ztunnel there are none, and that is no fault of the capture.
  if (!isServed && pod.isServed && zds.isServed(sandbox.uid)) {
    faults.push("listeners");
    zds.repeat(sandbox.uid);
  }
  if (faults.length > 0) news.mended(sandbox, faults);
  const keeps = pod.keepsConnections && keepsConnections(capture, target);
  if (keeps === pod.keepsConnections && isServed === pod.isServed) return pod;
  const changed = { ...pod, keepsConnections: keeps, isServed };
  mendCapture(capture, { ...target, pod: changed });
  return changed;
}

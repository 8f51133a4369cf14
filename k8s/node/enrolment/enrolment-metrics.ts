/** The metrics of enrolment: name, help and labels of each; label values come from closed unions. */
import type { MetricsRegistry } from "#host/admin/metrics.ts";
import type { CaptureFault } from "./capture-pod.ts";

/** Which way a Pod went. */
export type Direction = "in" | "out";

/** Everything that is counted as it happens. */
export interface EnrolmentMetrics {
  /** A Pod was taken into the mesh or let go; it stood still for `stoodMs`. */
  moved(direction: Direction, tookMs: number, stoodMs: number): void;
  failed(direction: Direction): void;
  repaired(fault: CaptureFault): void;
}

/** What is read at each exposition. */
export interface EnrolmentFacts {
  readonly enrolled: number;
  readonly leaving: number;
  readonly isZtunnelSynced: boolean;
}

/** Around the bar of 50 ms, in milliseconds. */
const moveBounds = [2, 5, 10, 15, 20, 30, 40, 50, 75, 100, 250, 1000, 5000];
/** A Pod that stands still longer than a few milliseconds is noticed by its peers. */
const standBounds = [0.5, 1, 2, 3, 5, 10, 20, 50, 100];

/** Registers what is counted. */
export function openEnrolmentMetrics(registry: MetricsRegistry): EnrolmentMetrics {
  const moves = registry.histogram<"direction">({
    name: "lambient_enrolment_milliseconds",
    help: "From knowing that a Pod is to be taken into the mesh, or let go, to its being so.",
    labels: ["direction"],
    bounds: moveBounds,
  });
  const stands = registry.histogram<"direction">({
    name: "lambient_enrolment_frozen_milliseconds",
    help: "For how long a Pod's processes stood still meanwhile.",
    labels: ["direction"],
    bounds: standBounds,
  });
  const failures = registry.counter<"direction">({
    name: "lambient_enrolment_failures_total",
    help: "Attempts to take a Pod in or to let it go that failed, and are made again.",
    labels: ["direction"],
  });
  const repairs = registry.counter<"reason">({
    name: "lambient_enrolment_repairs_total",
    help: "What of an enrolled Pod's capture was found otherwise than it should be, and mended.",
    labels: ["reason"],
  });
  return {
    moved(direction, tookMs, stoodMs) {
      moves({ direction }).observe(tookMs);
      stands({ direction }).observe(stoodMs);
    },
    failed: (direction) => failures({ direction }).add(),
    repaired: (reason) => repairs({ reason }).add(),
  };
}

/** Registers what is read at each exposition. */
export function registerEnrolmentFacts(registry: MetricsRegistry, readFacts: () => EnrolmentFacts): void {
  const gauge = (name: string, help: string) => registry.gauge<never>({ name, help, labels: [] })({});
  const enrolled = gauge("lambient_enrolled_pods", "Pods of this node that are in the mesh.");
  const leaving = gauge(
    "lambient_leaving_pods",
    "Pods that have left the mesh, with captured connections still open.",
  );
  const synced = gauge("lambient_ztunnel_pods_synced", "1 while a ztunnel holds every enrolled Pod.");
  registry.onCollect(() => {
    const facts = readFacts();
    enrolled.set(facts.enrolled);
    leaving.set(facts.leaving);
    synced.set(facts.isZtunnelSynced ? 1 : 0);
  });
}

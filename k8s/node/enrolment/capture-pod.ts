/**
 * Takes a Pod's connections into the capture and out of it again, while its processes run and without breaking one of them.
 * ztunnel's listeners must stand in the map before {@link beginCapture}.
 *
 * Into: marks' rules → program (what comes is captured from here on) → [standing still: hold what is open, capture what leaves].
 * Out of: [standing still: hold what is captured, let go what leaves] → program gone → once the held ones have ended, the rest.
 */
import { whileFrozen } from "#host/linux/freezer.ts";
import {
  bringTo,
  changeRouting,
  changeSettings,
  planChange,
  readStage,
  speaksIpv6,
  type RoutingChange,
  type RoutingFault,
} from "./captured-namespace.ts";
import {
  holdConnections,
  type HoldOptions,
  markConnections,
  tidyConnections,
  type HeldWay,
} from "./held-connections.ts";
import type { PodLink } from "./pod-link.ts";
import type { CaptureStage, RoutedPod } from "./pod-routing.ts";
import type { PodSandbox } from "./pod-sandbox.ts";

/** What capturing needs. */
export interface CaptureOptions extends HoldOptions {
  /** How long a Pod's processes may take to stand still. */
  readonly freezeTimeoutMs: number;
  /** Makes Services' addresses work outside the mesh: a captured Pod's proxy must see them as they were asked for. */
  readonly services?: CapturedServices;
}

/** What captured Pods do without, by the path of their control group; both idempotent. */
export interface CapturedServices {
  attach(cgroupPath: string): void;
  detach(cgroupPath: string): void;
}

/** A Pod with how it is captured. */
export interface CaptureTarget {
  readonly sandbox: PodSandbox;
  readonly pod: RoutedPod;
  readonly link: PodLink;
}

/** What of a captured Pod was not as it should be. */
export type CaptureFault = RoutingFault | "link" | "listeners";

/** Makes the namespace ready for ztunnel's sockets. Nothing is captured yet; what is captured already stays so. */
export function prepareCapture(options: CaptureOptions, { sandbox, pod }: CaptureTarget): void {
  if (stageOf(options, sandbox) !== "capturing") bringTo(options.libc, sandbox.network.fd, "ready", pod);
}

/**
 * Captures everything from now on; what is open goes on past ztunnel.
 * @returns for how long the Pod stood still, in milliseconds
 * @throws Error when it cannot be done now; the Pod is as it was but for the marks
 */
export function beginCapture(options: CaptureOptions, target: CaptureTarget): number {
  const { sandbox, pod, link } = target;
  link.attach(sandbox.network, pod);
  if (stageOf(options, sandbox) === "capturing") {
    options.services?.detach(sandbox.cgroup.path);
    bringTo(options.libc, sandbox.network.fd, "capturing", pod);
    return 0;
  }
  return change(options, target, { way: "kept", to: "capturing" });
}

/** Lets everything go that begins from now on; what is captured goes on through ztunnel. See {@link beginCapture}. */
export function endCapture(options: CaptureOptions, target: CaptureTarget): number {
  const { sandbox, link } = target;
  const stoodMs =
    stageOf(options, sandbox) === "capturing" ? change(options, target, { way: "looped", to: "ready" }) : 0;
  link.detach();
  return stoodMs;
}

/** Looks after a Pod that left: once its captured connections have ended, its namespace is as it was before. @returns how many are left */
export function settleAfterCapture(
  options: CaptureOptions,
  { sandbox, pod }: Pick<CaptureTarget, "sandbox" | "pod">,
): number {
  const left = tidyConnections(options.libc, sandbox).looped;
  if (left === 0) bringTo(options.libc, sandbox.network.fd, "plain", pod);
  return left;
}

/** Mends what is not as it should be of a captured Pod. @returns what that was */
export function mendCapture(options: CaptureOptions, { sandbox, pod, link }: CaptureTarget): CaptureFault[] {
  const faults: CaptureFault[] = [...bringTo(options.libc, sandbox.network.fd, "capturing", pod)];
  if (!link.isAttached(sandbox.network)) {
    link.attach(sandbox.network, pod);
    faults.push("link");
  }
  return faults;
}

/** Whether the Pod's link speaks IPv6: what it did before it was captured can only be asked before. */
export function isIpv6Open({ libc }: CaptureOptions, { network }: PodSandbox): boolean {
  return speaksIpv6(libc, network.fd);
}

/** Whether connections from before the capture are still open. */
export function keepsConnections({ libc }: CaptureOptions, { sandbox }: CaptureTarget): boolean {
  return tidyConnections(libc, sandbox).kept > 0;
}

/** How far a Pod's namespace is. */
export function stageOf({ libc }: CaptureOptions, { network }: PodSandbox): CaptureStage {
  return readStage(libc, network.fd);
}

function change(
  options: CaptureOptions,
  { sandbox, pod }: CaptureTarget,
  step: { readonly way: HeldWay; readonly to: CaptureStage },
): number {
  const { libc, cgroupMounts, freezeTimeoutMs } = options;
  const namespaceFd = sandbox.network.fd;
  // All that can be done ahead is, for the Pod waits.
  markConnections(options, sandbox, step.way);
  const planned = planChange(libc, namespaceFd, step.to, pod);
  const back: RoutingChange = {
    ...planned,
    rules: opposite(planned.rules),
    routes: opposite(planned.routes),
  };
  const beganMs = performance.now();
  whileFrozen(cgroupMounts, sandbox.cgroup.path, freezeTimeoutMs, () => {
    holdConnections(options, sandbox, step.way);
    const { services } = options;
    const { path } = sandbox.cgroup;
    try {
      if (step.to === "capturing") services?.detach(path);
      changeRouting(libc, namespaceFd, planned);
      if (step.to !== "capturing") services?.attach(path);
    } catch (error) {
      if (step.to === "capturing") services?.attach(path);
      changeRouting(libc, namespaceFd, back);
      throw error;
    }
  });
  const stoodMs = performance.now() - beganMs;
  changeSettings(libc, namespaceFd, planned);
  return stoodMs;
}

function opposite<Item>(items: { readonly missing: readonly Item[]; readonly surplus: readonly Item[] }): {
  readonly missing: readonly Item[];
  readonly surplus: readonly Item[];
} {
  return { missing: items.surplus, surplus: items.missing };
}

/**
 * One Pod between the mesh and the world outside it: brings it to where the wish is, one step at a time, tries again what failed,
 * and looks after it in between. What the steps do to the kernel is in capture-pod.ts.
 *
 *   plain --enrol--> capturing --leave--> leaving --last captured connection ends--> plain
 *                        ▲                   │
 *                        └───────enrol───────┘
 */
import type { Clock, Timer } from "#host/clock.ts";
import { thaw } from "#host/linux/freezer.ts";
import type { Log } from "#host/log.ts";
import { errorText, MeshError } from "#host/mesh-error.ts";
import { type EnrolmentDecision, isSameDecision } from "../../reconcile/enrolment/decide-enrolment.ts";
import { awaitZtunnel } from "./await-ztunnel.ts";
import {
  beginCapture,
  type CaptureOptions,
  type CaptureTarget,
  endCapture,
  isIpv6Open,
  prepareCapture,
  settleAfterCapture,
  stageOf,
} from "./capture-pod.ts";
import type { EnrolmentNews } from "./enrolment-news.ts";
import { careForPod } from "./pod-care.ts";
import { openPodLink, type PodLink } from "./pod-link.ts";
import type { RoutedPod } from "./pod-routing.ts";
import type { PodSandbox } from "./pod-sandbox.ts";
import type { PodZds } from "./pod-zds.ts";
import type { Redirections } from "./redirections.ts";
import { Waiters } from "./waiters.ts";

/** What all Pods of a node share. */
export interface PodLifeOptions {
  readonly capture: CaptureOptions;
  /** Where links have their names. */
  readonly pinFolder: string;
  readonly zds: PodZds;
  readonly redirections: Redirections;
  readonly news: EnrolmentNews;
  readonly clock: Clock;
  readonly log: Log;
  /** Between telling the mesh that a Pod leaves and letting go of it, so that nobody opens a tunnel to it any more. */
  readonly leaveDelayMs: number;
}

/** How far a Pod is. */
export type PodLifeState = "plain" | "capturing" | "leaving";

const retryMs = { first: 100, longest: 5000 } as const;

/** See the file's opening. */
export class PodLife {
  readonly sandbox: PodSandbox;
  readonly #options: PodLifeOptions;
  readonly #waiters = new Waiters();
  #state: PodLifeState;
  #wish: EnrolmentDecision | undefined;
  #wishedAtMs = 0;
  /** How it is captured; absent for one that a program before this one captured, until that is compared. */
  #captured: RoutedPod | undefined;
  #link: PodLink | undefined;
  /** Known only of one that this program took in; what is not known stays closed. */
  #hadIpv6 = false;
  #isMoving = false;
  #isOver = false;
  #failures = 0;
  #retry: Timer | undefined;

  constructor(options: PodLifeOptions, sandbox: PodSandbox) {
    this.#options = options;
    this.sandbox = sandbox;
    // A program before this one may have ended while the Pod stood still.
    thaw(options.capture.cgroupMounts, sandbox.cgroup.path);
    const stage = stageOf(options.capture, sandbox);
    this.#state = stage === "ready" ? "leaving" : stage;
  }

  get state(): PodLifeState {
    return this.#state;
  }

  /** Says where it should be; undefined leaves it where it is. */
  want(wish: EnrolmentDecision | undefined): void {
    if (wish === undefined || isSameDecision(wish, this.#wish)) return;
    this.#wish = wish;
    // What waits for a ztunnel to take the Pod in waits no longer.
    if (wish.kind === "out" && this.#state !== "capturing") this.#options.zds.letGo(this.sandbox.uid);
    this.#wishedAtMs = this.#options.clock.monotonicMs();
    this.#hurry();
  }

  /** Waits until it is where it should be. @throws what kept it from there at the next attempt */
  async settled(): Promise<void> {
    if (this.#isSettled) return;
    const settled = this.#waiters.wait();
    this.#hurry();
    await settled;
  }

  /** Compares what is with what should be, mends it, and looks whether what was held is over. */
  look(): void {
    if (this.#isOver) return;
    try {
      if (this.#state === "leaving") this.#lookAfterLeaving();
      else if (this.#state === "capturing") this.#lookAfterCapture();
    } catch (error) {
      this.#options.log.warn("Pod not looked after", { pod: this.#name, error: errorText(error) });
    }
  }

  /** The Pod is gone. */
  end(): void {
    this.#stop("it is gone");
    this.#options.zds.remove(this.sandbox.uid);
    this.#options.redirections.forget(this.sandbox.uid);
    this.#dropLink();
  }

  /** Leaves it as it is. */
  abandon(): void {
    this.#stop("the node's program stops");
    this.#link?.close();
  }

  get #name(): string {
    return `${this.sandbox.namespace}/${this.sandbox.name}`;
  }

  get #isSettled(): boolean {
    const wish = this.#wish;
    if (wish === undefined || this.#isOver) return false;
    if (wish.kind === "out") return this.#state !== "capturing";
    const { capturesInbound, capturesDns } = wish;
    const captured = this.#captured;
    return (
      this.#state === "capturing" &&
      captured?.capturesInbound === capturesInbound &&
      captured.capturesDns === capturesDns
    );
  }

  #hurry(): void {
    this.#retry?.cancel();
    this.#retry = undefined;
    void this.#move();
  }

  /** Never rejects. */
  async #move(): Promise<void> {
    if (this.#isMoving || this.#isOver) return;
    this.#isMoving = true;
    try {
      while (!this.#isSettled && !this.#isOver && this.#wish !== undefined) await this.#step(this.#wish);
      this.#failures = 0;
      if (this.#isSettled) this.#waiters.resolve();
    } catch (error) {
      this.#onFailure(error);
    } finally {
      this.#isMoving = false;
    }
  }

  /** @throws what kept it from its place; not when another place is wished for by then */
  async #step(wish: EnrolmentDecision): Promise<void> {
    try {
      if (wish.kind === "in") await this.#enrol(wish);
      else await this.#leave(wish);
    } catch (error) {
      if (this.#wish === wish) throw error;
    }
  }

  async #enrol(wish: Extract<EnrolmentDecision, { kind: "in" }>): Promise<void> {
    const { capture, zds, redirections, pinFolder } = this.#options;
    const { sandbox } = this;
    const { capturesInbound, capturesDns } = wish;
    this.#link ??= openPodLink(capture.libc, pinFolder, sandbox.uid);
    if (this.#state === "plain") this.#hadIpv6 = isIpv6Open(capture, sandbox);
    const pod = { ...this.#asFound(), capturesInbound, capturesDns };
    const target = { sandbox, pod, link: this.#link };
    const fds = [sandbox.network.fd, this.#link.mapFd] as const;
    // ztunnel makes its listeners while the namespace is readied.
    const served = zds.add({ ...sandbox, capturesInbound, capturesDns, fds });
    served.catch(() => undefined); // Awaited below, unless something else fails first.
    prepareCapture(capture, target);
    if (this.#state === "plain") this.#state = "leaving";
    // What is captured already stays captured, whether there is a ztunnel now or not.
    if (this.#state === "capturing")
      this.#begin({ ...target, pod: { ...pod, isServed: this.#link.hasListeners() } });
    await awaitZtunnel(this.#options, sandbox, served);
    if (this.#isOver || this.#wish !== wish) return;
    const isNew = this.#state !== "capturing";
    const stoodMs = this.#begin(target);
    void redirections.set(sandbox, "enabled");
    if (isNew) this.#tellMove("in", stoodMs, "labelled");
  }

  #begin(target: CaptureTarget): number {
    const stoodMs = beginCapture(this.#options.capture, target);
    this.#state = "capturing";
    this.#captured = target.pod;
    return stoodMs;
  }

  async #leave(wish: Extract<EnrolmentDecision, { kind: "out" }>): Promise<void> {
    const { capture, zds, redirections, pinFolder, clock, leaveDelayMs } = this.#options;
    const { sandbox } = this;
    if (wish.reason !== "ended") {
      this.#openInbound();
      await Promise.race([redirections.set(sandbox, undefined), pause(clock, leaveDelayMs)]);
      await pause(clock, leaveDelayMs);
      if (this.#isOver || this.#wish !== wish) return;
    }
    const link = (this.#link ??= openPodLink(capture.libc, pinFolder, sandbox.uid));
    const stoodMs = endCapture(capture, { sandbox, pod: this.#captured ?? this.#asFound(), link });
    zds.letGo(sandbox.uid);
    this.#dropLink();
    this.#state = "leaving";
    this.#tellMove("out", stoodMs, wish.reason);
  }

  /** Peers that hear of it first speak to it in the plain while it is captured still: from here on its policies are nobody's. */
  #openInbound(): void {
    if (this.#captured === undefined || this.#link === undefined) return;
    this.#captured = { ...this.#captured, capturesInbound: false };
    const fds = [this.sandbox.network.fd, this.#link.mapFd] as const;
    // Without a ztunnel there is nobody to be told, and nothing to be let in.
    this.#options.zds.add({ ...this.sandbox, ...this.#captured, fds }).catch(() => undefined);
  }

  #tellMove(direction: "in" | "out", stoodMs: number, reason: string): void {
    const tookMs = this.#options.clock.monotonicMs() - this.#wishedAtMs;
    this.#options.news.moved(this.sandbox, { direction, tookMs, stoodMs, reason });
  }

  #lookAfterCapture(): void {
    if (this.#captured === undefined || this.#link === undefined) return;
    const target = { sandbox: this.sandbox, pod: this.#captured, link: this.#link };
    this.#captured = careForPod(this.#options, target);
  }

  #lookAfterLeaving(): void {
    if (this.#wish?.kind === "in") return; // on its way back
    const { capture, zds, redirections } = this.#options;
    this.#dropLink();
    const pod = this.#captured ?? this.#asFound();
    const left = settleAfterCapture(capture, { sandbox: this.sandbox, pod });
    if (left > 0) return;
    this.#state = "plain";
    this.#captured = undefined;
    zds.remove(this.sandbox.uid);
    void redirections.set(this.sandbox, undefined); // It may have waited for a ztunnel, and said so.
  }

  #dropLink(): void {
    this.#link?.detach();
    this.#link?.close();
    this.#link = undefined;
  }

  /** How it is captured, as far as that is not known better. */
  #asFound(): RoutedPod {
    const { address, nameserver } = this.sandbox;
    const captures = { capturesInbound: true, capturesDns: true };
    return {
      address,
      nameserver,
      ...captures,
      keepsConnections: true,
      isServed: true,
      hadIpv6: this.#hadIpv6,
    };
  }

  #onFailure(error: unknown): void {
    const { clock, news, redirections } = this.#options;
    this.#waiters.reject(error);
    if (this.#isOver) return;
    const direction = this.#wish?.kind === "in" ? "in" : "out";
    const retryInMs = Math.min(retryMs.first * 2 ** Math.min(this.#failures++, 10), retryMs.longest);
    news.failed(this.sandbox, direction, { error, retryInMs });
    if (direction === "in" && this.#state !== "capturing") void redirections.set(this.sandbox, "pending");
    this.#retry = clock.after(retryInMs, () => void this.#move());
  }

  #stop(why: string): void {
    this.#isOver = true;
    this.#retry?.cancel();
    this.#waiters.reject(new MeshError("canceled", `Cannot move Pod ${this.#name}: ${why}`));
  }
}

function pause(clock: Clock, ms: number): Promise<void> {
  return new Promise((resolve) => void clock.after(ms, resolve));
}

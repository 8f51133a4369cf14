/** One revision's instances as this waypoint uses them: the least busy with room first, further ones only when all are full. */
import type { RevisionBackend } from "#core/proto/lambient/discovery_pb.js";
import { errorText, meshErrorCode } from "#host/mesh-error.ts";
import type { Ending } from "./ending.ts";
import type { Activated, InstanceLeasesOptions, Lease, LeaseOutcome, Rung } from "./lease-outcome.ts";

/** A further instance that was refused or failed is not asked for again before this has passed. */
const furtherPauseMs = 1000;
/** The node answers its own timeout first; this is only for a node that does not answer at all. */
const answerGraceMs = 1000;

interface Instance extends Activated {
  inFlight: number;
  idleSinceMs: number;
  /** Not chosen while another one has room: the last connection to it failed. */
  isSuspect: boolean;
  /** Started ahead of any request: the first one tells how. */
  isFresh: boolean;
}

interface Waiter {
  settle(outcome: LeaseOutcome): void;
}

interface RevisionOptions extends InstanceLeasesOptions {
  /** An instance became idle and may be released after this long. */
  readonly onIdle: (idleMs: number) => void;
}

/** See the file's first line. */
export class RevisionLeases {
  readonly #options: RevisionOptions;
  #backend: RevisionBackend;
  readonly instances: Instance[] = [];
  readonly #waiters = new Set<Waiter>();
  #activating = 0;
  #furtherFromMs = 0;
  #willTryFurther = false;
  #isAtLimit = false;

  constructor(backend: RevisionBackend, options: RevisionOptions) {
    this.#backend = backend;
    this.#options = options;
  }

  get inFlight(): number {
    return this.instances.reduce((sum, instance) => sum + instance.inFlight, 0);
  }

  get waiting(): number {
    return this.#waiters.size;
  }

  /** Whether nothing is known of the revision that must be kept. */
  get isEmpty(): boolean {
    return this.instances.length === 0 && this.#waiters.size === 0 && this.#activating === 0;
  }

  /** Takes a newer configuration of the same revision. */
  configure(backend: RevisionBackend): void {
    this.#backend = backend;
  }

  acquire(abandoned: Ending): LeaseOutcome | Promise<LeaseOutcome> {
    const instance = this.#waiters.size === 0 ? this.#withRoom() : undefined;
    if (instance !== undefined) return { kind: "leased", lease: this.#lease(instance, "running") };
    if (this.#waiters.size >= this.#options.queueMax) {
      return refused("overflow", `${this.#waiters.size} requests wait for ${this.#backend.uid} already`);
    }
    if (abandoned.isOver) return refused("abandoned", "the caller went away");
    return this.#wait(abandoned);
  }

  warm(): void {
    if (this.instances.length === 0 && this.#activating === 0) this.#activate();
  }

  forget(instance: string): void {
    const at = this.instances.findIndex((known) => known.instance === instance);
    if (at < 0) return;
    this.instances.splice(at, 1);
    this.#options.onForgotten(instance);
    this.#activateAsNeeded();
  }

  forgetAll(): void {
    for (const { instance } of this.instances.splice(0)) this.#options.onForgotten(instance);
    this.#activateAsNeeded();
  }

  /** Releases instances idle for long enough. @returns after how long the next one is; Infinity when none is idle. */
  releaseIdle(idleMs: number = Number(this.#backend.idleMs)): number {
    const nowMs = this.#options.clock.monotonicMs();
    let nextMs = Number.POSITIVE_INFINITY;
    for (const instance of this.instances.filter(({ inFlight }) => inFlight === 0)) {
      const leftMs = instance.idleSinceMs + idleMs - nowMs;
      if (leftMs > 0) nextMs = Math.min(nextMs, leftMs);
      else this.#stop(instance);
    }
    return nextMs;
  }

  #stop(instance: Instance): void {
    this.instances.splice(this.instances.indexOf(instance), 1);
    this.#options.onForgotten(instance.instance);
    this.#options.activation.release(instance.instance);
  }

  /** The least busy instance with room; of equals the first, so that the others fall idle. */
  #withRoom(): Instance | undefined {
    const room = orUnlimited(this.#backend.concurrency);
    let best: Instance | undefined;
    for (const instance of this.instances) {
      if (instance.inFlight >= room) continue;
      if (best === undefined || isBetter(instance, best)) best = instance;
    }
    return best;
  }

  #lease(instance: Instance, rung: Rung): Lease {
    instance.inFlight++;
    const served = instance.isFresh ? instance.rung : rung;
    instance.isFresh = false;
    let isHeld = true;
    const giveBack = (isSuspect: boolean): void => {
      if (!isHeld) return;
      isHeld = false;
      this.#onReturned(instance, isSuspect);
    };
    return {
      instance: instance.instance,
      address: instance.address,
      identity: instance.identity,
      rung: served,
      release: () => giveBack(false),
      discard: () => giveBack(true),
    };
  }

  #onReturned(instance: Instance, isSuspect: boolean): void {
    instance.inFlight--;
    instance.isSuspect = isSuspect;
    if (!this.instances.includes(instance)) return;
    if (instance.inFlight === 0 && isSuspect) {
      // Nobody has a request there and it cannot be reached: a fresh one is better.
      this.#stop(instance);
      return this.#activateAsNeeded();
    }
    if (instance.inFlight === 0) {
      instance.idleSinceMs = this.#options.clock.monotonicMs();
      this.#options.onIdle(Number(this.#backend.idleMs));
    }
    this.#serveWaiters("running");
  }

  #wait(abandoned: Ending): Promise<LeaseOutcome> {
    const outcome = Promise.withResolvers<LeaseOutcome>();
    const waiter: Waiter = {
      settle: (value) => {
        this.#waiters.delete(waiter);
        timer.cancel();
        forget();
        outcome.resolve(value);
      },
    };
    const limitMs = Number(this.#backend.activationTimeoutMs);
    const timer = this.#options.clock.after(limitMs, () => waiter.settle(this.#tooLate(limitMs)));
    const forget = abandoned.onOver(() => waiter.settle(refused("abandoned", "the caller went away")));
    this.#waiters.add(waiter);
    this.#activateAsNeeded();
    return outcome.promise;
  }

  #tooLate(limitMs: number): LeaseOutcome {
    if (!this.#isAtLimit && (this.instances.length === 0 || this.#activating > 0))
      return refused("timeout", `no instance of ${this.#backend.uid} within ${limitMs} ms`);
    return refused("overflow", `all instances of ${this.#backend.uid} stayed full for ${limitMs} ms`);
  }

  #activateAsNeeded(): void {
    while (this.#isOneMoreNeeded()) {
      if (this.#mayStartFurther()) this.#activate();
      else return;
    }
  }

  /** Whether those that wait are more than the activations under way will have room for. */
  #isOneMoreNeeded(): boolean {
    const expected = this.#activating === 0 ? 0 : this.#activating * orUnlimited(this.#backend.concurrency);
    const known = this.instances.length + this.#activating;
    return this.#waiters.size > expected && known < orUnlimited(this.#backend.maxInstances);
  }

  #mayStartFurther(): boolean {
    const { clock } = this.#options;
    const leftMs = this.#furtherFromMs - clock.monotonicMs();
    if (leftMs <= 0) return true;
    if (!this.#willTryFurther) {
      this.#willTryFurther = true;
      clock.after(leftMs, () => {
        this.#willTryFurther = false;
        this.#activateAsNeeded();
      });
    }
    return false;
  }

  #activate(): void {
    const { activation } = this.#options;
    const further = this.instances.length + this.#activating > 0;
    const timeoutMs = Number(this.#backend.activationTimeoutMs) + answerGraceMs;
    this.#activating++;
    activation.activate(this.#backend.uid, further, timeoutMs).then(
      (activated) => this.#onActivated(activated),
      (error: unknown) => this.#onFailed(error),
    );
  }

  #onActivated(activated: Activated): void {
    this.#activating--;
    this.#isAtLimit = false;
    if (this.instances.some(({ instance }) => instance === activated.instance)) {
      // The node had nothing better than what is known to be full: asking again at once would spin.
      this.#furtherFromMs = this.#options.clock.monotonicMs() + furtherPauseMs;
    } else {
      const idleSinceMs = this.#options.clock.monotonicMs();
      this.instances.push({ ...activated, inFlight: 0, idleSinceMs, isSuspect: false, isFresh: true });
      this.#options.onIdle(Number(this.#backend.idleMs));
    }
    this.#serveWaiters(activated.rung);
    this.#activateAsNeeded();
  }

  #onFailed(error: unknown): void {
    this.#activating--;
    const isAtLimit = meshErrorCode(error) === "limit-reached";
    this.#isAtLimit = isAtLimit;
    if (isAtLimit || this.instances.length > 0) {
      this.#furtherFromMs = this.#options.clock.monotonicMs() + furtherPauseMs;
    }
    const isHopeless = this.instances.length === 0 && this.#activating === 0 && !isAtLimit;
    if (isHopeless) {
      const why = meshErrorCode(error) === "timeout" ? "timeout" : "unavailable";
      for (const waiter of this.#waiters) waiter.settle(refused(why, errorText(error)));
    }
    this.#activateAsNeeded();
  }

  #serveWaiters(rung: Rung): void {
    for (const waiter of this.#waiters) {
      const instance = this.#withRoom();
      if (instance === undefined) return;
      waiter.settle({ kind: "leased", lease: this.#lease(instance, rung) });
    }
  }
}

/** Zero means that no limit was set. */
function orUnlimited(limit: number): number {
  return limit === 0 ? Number.POSITIVE_INFINITY : limit;
}

function isBetter(one: Instance, other: Instance): boolean {
  if (one.isSuspect !== other.isSuspect) return other.isSuspect;
  return one.inFlight < other.inFlight;
}

function refused(
  why: Extract<LeaseOutcome, { kind: "refused" }>["why"],
  reason: string,
): Extract<LeaseOutcome, { kind: "refused" }> {
  return { kind: "refused", why, reason };
}

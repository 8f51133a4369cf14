/**
 * Who uses which instance: in-flight counts by instance, activation when all known ones are full, a bounded queue when
 * there may be no more. One of these a waypoint; instances themselves are the node runtime's.
 */
import type { RevisionBackend } from "#core/proto/lambient/discovery_pb.js";
import type { Timer } from "#host/clock.ts";
import type { Ending } from "./ending.ts";
import type { InstanceLeasesOptions, LeaseOutcome } from "./lease-outcome.ts";
import { RevisionLeases } from "./revision-leases.ts";

/** All revisions' leases. */
export class InstanceLeases {
  readonly #options: InstanceLeasesOptions;
  readonly #revisions = new Map<string, RevisionLeases>();
  #sweep: { readonly timer: Timer; readonly atMs: number } | undefined;

  constructor(options: InstanceLeasesOptions) {
    this.#options = options;
  }

  /** Requests that hold a lease or wait for one. */
  get inUse(): number {
    let sum = 0;
    for (const revision of this.#revisions.values()) sum += revision.inFlight + revision.waiting;
    return sum;
  }

  /** Instances leased from the node. */
  get instances(): number {
    let sum = 0;
    for (const revision of this.#revisions.values()) sum += revision.instances.length;
    return sum;
  }

  /** Asks for an instance with room; answers in the same turn when one is known. */
  acquire(backend: RevisionBackend, abandoned: Ending): LeaseOutcome | Promise<LeaseOutcome> {
    return this.#of(backend).acquire(abandoned);
  }

  /** Starts the first instance of a revision that has none, ahead of its first request. */
  warm(backend: RevisionBackend): void {
    this.#of(backend).warm();
  }

  /** The node says that an instance is gone. */
  onGone(instance: string): void {
    for (const revision of this.#revisions.values()) revision.forget(instance);
  }

  /** The node runtime itself is gone: none of its instances can be counted on. */
  onNodeGone(): void {
    for (const revision of this.#revisions.values()) revision.forgetAll();
  }

  /** Releases every instance that nobody uses, however short; before sleep. */
  releaseIdle(): void {
    for (const revision of this.#revisions.values()) revision.releaseIdle(0);
  }

  #of(backend: RevisionBackend): RevisionLeases {
    const known = this.#revisions.get(backend.uid);
    if (known !== undefined) {
      known.configure(backend);
      return known;
    }
    const made = new RevisionLeases(backend, {
      ...this.#options,
      onIdle: (idleMs) => this.#sweepWithin(idleMs),
    });
    this.#revisions.set(backend.uid, made);
    return made;
  }

  /** One timer for all revisions, set only while an instance is idle, for the one that is due first. */
  #sweepWithin(delayMs: number): void {
    const { clock } = this.#options;
    const atMs = clock.monotonicMs() + delayMs;
    if (this.#sweep !== undefined && this.#sweep.atMs <= atMs) return;
    this.#sweep?.timer.cancel();
    const timer = clock.after(delayMs, () => {
      this.#sweep = undefined;
      let nextMs = Number.POSITIVE_INFINITY;
      for (const [uid, revision] of this.#revisions) {
        nextMs = Math.min(nextMs, revision.releaseIdle());
        if (revision.isEmpty) this.#revisions.delete(uid);
      }
      if (nextMs < Number.POSITIVE_INFINITY) this.#sweepWithin(nextMs);
    });
    this.#sweep = { timer, atMs };
  }
}

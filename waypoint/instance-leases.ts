/**
 * Who uses which instance: in-flight counts by instance, activation when all known ones are full, a bounded queue when
 * there may be no more. One of these a waypoint; instances themselves are the node runtime's.
 */
import type { SocketAddress } from "#core/address/socket-address.ts";
import type { SpiffeId } from "#core/identity/spiffe-id.ts";
import type { RevisionBackend } from "#core/proto/lambient/discovery_pb.js";
import type { Clock, Timer } from "#host/clock.ts";
import type { Ending } from "./ending.ts";
import { RevisionLeases } from "./revision-leases.ts";

/** How warm the instance was that served a request. */
export type Rung = "running" | "pooled" | "new";

/** What an activation gives. */
export interface Activated {
  readonly instance: string;
  readonly address: SocketAddress;
  readonly identity: SpiffeId;
  readonly rung: Rung;
}

/** The node runtime as leases need it. */
export interface ActivationPort {
  /** @throws MeshError (rejects): `not-found`, `limit-reached`, `timeout`, `unavailable`. */
  activate(revision: string, further: boolean, timeoutMs: number): Promise<Activated>;
  /** Stops an instance that nobody uses. */
  release(instance: string): void;
}

/** The right to send one request to an instance. */
export interface Lease {
  readonly instance: string;
  readonly address: SocketAddress;
  readonly identity: SpiffeId;
  readonly rung: Rung;
  /** Gives it back; once. */
  release(): void;
  /** Gives it back and says that the instance could not be reached. */
  discard(): void;
}

/** What asking for a lease gave. */
export type LeaseOutcome =
  | { readonly kind: "leased"; readonly lease: Lease }
  | {
      readonly kind: "refused";
      readonly why: "overflow" | "timeout" | "unavailable" | "abandoned";
      readonly reason: string;
    };

/** Ports and bounds. */
export interface InstanceLeasesOptions {
  readonly activation: ActivationPort;
  readonly clock: Clock;
  /** Requests of one revision that wait for room. */
  readonly queueMax: number;
  /** Told of each instance that must not be used any more, so that its connections are closed. */
  readonly onForgotten: (instance: string) => void;
}

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

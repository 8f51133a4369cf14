/** What leases are made of and what asking for one gives; who counts them is elsewhere. */
import type { SocketAddress } from "#core/address/socket-address.ts";
import type { SpiffeId } from "#core/identity/spiffe-id.ts";
import type { Clock } from "#host/clock.ts";

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

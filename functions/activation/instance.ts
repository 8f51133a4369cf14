/** One instance of a revision: a loaded slot with its leases. */
import type { ExitReason, LoadedFunction, Slot } from "./slot-port.ts";
import type { Revision } from "../revision.ts";

/** How warm what served was. */
export type Rung = "running" | "pooled" | "new";

/** An instance that is on its way: ztunnel has been told of it, its function is being loaded. */
export interface ComingInstance {
  readonly id: string;
  readonly revision: Revision;
  readonly address: string;
}

/** Whoever keeps instances alive: a waypoint's channel, a scheduled call. */
export interface LeaseHolder {
  readonly isOpen: boolean;
  /** The instance that it asked for can be reached soon: a tunnel to it can be opened already. It may still fail. */
  onComing(coming: ComingInstance): void;
  /** An instance that it holds is gone. */
  onGone(instance: Instance, reason: ExitReason): void;
}

/** See the file's opening. */
export interface Instance {
  readonly id: string;
  readonly revision: Revision;
  readonly slot: Slot;
  readonly loaded: LoadedFunction;
  /** How it came to be. */
  readonly rung: Exclude<Rung, "running">;
  readonly startedAtMs: number;
}

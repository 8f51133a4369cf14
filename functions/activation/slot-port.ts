/** The port between activation and the function engine: a slot is taken, given an identity, loaded, and ends. */
import type { RevisionSpec } from "#core/release/function-spec.ts";
import type { SlotAssignment } from "../zds/zds-message.ts";

/** Why an instance is no more. */
export type ExitReason = "crash" | "oom" | "idle" | "stopped" | "load-failed";

/** What becomes of a slot. */
export interface LoadRequest {
  /** The instance's id. */
  readonly instance: string;
  readonly namespace: string;
  /** The revision's object name. */
  readonly revision: string;
  readonly spec: RevisionSpec;
  /** Variables and secrets together. */
  readonly env: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
  /** Whether it only tries the bundle: its output is then kept nowhere. */
  readonly isCheck: boolean;
}

/** A call of the `scheduled` handler. */
export interface ScheduledCall {
  readonly cron: string;
  readonly scheduledAtMs: number;
  readonly traceparent: string;
  readonly timeoutMs: number;
}

/** A function that serves. */
export interface LoadedFunction {
  /** What the module exports: `fetch`, `scheduled`, `queue`. */
  readonly handlers: readonly string[];
  /** Settles when the process is gone; never rejects. */
  readonly exited: Promise<ExitReason>;
  /** Runs the `scheduled` handler. @throws MeshError when it fails, is absent, or does not end in time */
  runScheduled(call: ScheduledCall): Promise<void>;
  /** Lets it finish, then ends it for certain; settles when nothing of it is left. */
  stop(reason: ExitReason): Promise<void>;
}

/** A place for one instance, used once. */
export interface Slot {
  readonly uid: string;
  readonly address: string;
  /** Tells ztunnel whose the slot is. @throws MeshError */
  assign(assignment: SlotAssignment): Promise<void>;
  /** Puts the bundle in; nothing of it runs yet. @throws MeshError `unavailable` with "load failed: …" when it does not fit */
  place(bundle: Uint8Array, spec: RevisionSpec): void;
  /** Starts what was put in. @throws MeshError `unavailable` with "load failed: …", or `timeout` */
  load(request: LoadRequest): Promise<LoadedFunction>;
  /** Ends whatever is in it and gives the address back. Idempotent. */
  destroy(): Promise<void>;
}

/** A slot, and whether it stood ready. */
export interface TakenSlot {
  readonly slot: Slot;
  readonly rung: "pooled" | "new";
}

/** Where slots come from. */
export interface SlotSource {
  /** A slot that ztunnel holds. @throws MeshError `timeout`, or `limit-reached` when there are no more addresses */
  take(timeoutMs: number): Promise<TakenSlot>;
}

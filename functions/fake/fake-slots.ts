/** Slots without a kernel, for tests of activation: they load at the test's word, and end when told. */
import { MeshError } from "#host/mesh-error.ts";
import type {
  ExitReason,
  LoadedFunction,
  LoadRequest,
  ScheduledCall,
  Slot,
  SlotSource,
  TakenSlot,
} from "../activation/slot-port.ts";
import type { SlotAssignment } from "../zds/zds-message.ts";

/** How a fake slot behaves. */
export interface FakeBehaviour {
  /** How a load ends; default: it succeeds at once. */
  load?: (request: LoadRequest) => Promise<void>;
  place?: () => void;
  assign?: (assignment: SlotAssignment) => Promise<void>;
  runScheduled?: (call: ScheduledCall) => Promise<void>;
}

/** One fake slot. */
export class FakeSlot implements Slot, LoadedFunction {
  readonly uid: string;
  readonly address: string;
  readonly handlers: readonly string[] = ["fetch", "scheduled"];
  readonly exited: Promise<ExitReason>;
  readonly assignments: SlotAssignment[] = [];
  readonly calls: ScheduledCall[] = [];
  bundle: Uint8Array = new Uint8Array();
  request: LoadRequest | undefined;
  stoppedFor: ExitReason | undefined;
  isDestroyed = false;
  readonly #behaviour: FakeBehaviour;
  /** Ends the process in it. */
  readonly exit: (reason: ExitReason) => void;

  constructor(number: number, behaviour: FakeBehaviour) {
    this.uid = `slot-${number}`;
    this.address = `10.244.0.${number + 1}`;
    this.#behaviour = behaviour;
    const exited = Promise.withResolvers<ExitReason>();
    this.exited = exited.promise;
    this.exit = exited.resolve;
  }

  async assign(assignment: SlotAssignment): Promise<void> {
    await this.#behaviour.assign?.(assignment);
    this.assignments.push(assignment);
  }

  place(bundle: Uint8Array): void {
    this.#behaviour.place?.();
    this.bundle = bundle;
  }

  async load(request: LoadRequest): Promise<LoadedFunction> {
    this.request = request;
    await this.#behaviour.load?.(request);
    // The one thing of a bundle that a fake understands.
    if (Buffer.from(this.bundle).toString().startsWith("throw ")) {
      this.exit("load-failed");
      throw new MeshError("unavailable", "load failed: it threw");
    }
    return this;
  }

  async runScheduled(call: ScheduledCall): Promise<void> {
    if (this.stoppedFor !== undefined)
      throw new MeshError("unavailable", "Cannot run a schedule: the instance ended");
    this.calls.push(call);
    await this.#behaviour.runScheduled?.(call);
  }

  stop(reason: ExitReason): Promise<void> {
    this.stoppedFor = reason;
    this.exit(reason);
    return Promise.resolve();
  }

  destroy(): Promise<void> {
    this.isDestroyed = true;
    return Promise.resolve();
  }
}

/** Gives out fake slots. */
export class FakeSlots implements SlotSource {
  readonly taken: FakeSlot[] = [];
  readonly behaviour: FakeBehaviour = {};
  rung: TakenSlot["rung"] = "pooled";
  /** Slots there are at all. */
  max: number = Number.POSITIVE_INFINITY;

  take(): Promise<TakenSlot> {
    if (this.taken.length >= this.max) {
      return Promise.reject(new MeshError("limit-reached", "Cannot make a slot: no address is free"));
    }
    const slot = new FakeSlot(this.taken.length + 1, this.behaviour);
    this.taken.push(slot);
    return Promise.resolve({ slot, rung: this.rung });
  }
}

/** The running instances and who leases them; one that nobody leases stops once it has been idle for its revision's time. Starts none. */
import type { RunningInstance } from "#core/scale/decide-activation.ts";
import type { Clock, Timer } from "#host/clock.ts";
import type { Log } from "#host/log.ts";
import { errorText } from "#host/mesh-error.ts";
import type { Instance, LeaseHolder } from "./instance.ts";
import type { ExitReason } from "./slot-port.ts";

/** What the register needs. */
export interface InstancesOptions {
  readonly clock: Clock;
  readonly log: Log;
  /** An instance is gone, for metrics. */
  readonly onGone: (instance: Instance, reason: ExitReason) => void;
}

/** An instance as `instances` lists it. */
export interface ListedInstance {
  readonly instance: Instance;
  readonly state: "running" | "stopping";
  readonly leases: number;
}

/** An instance that is gone. */
export interface EndedInstance {
  readonly id: string;
  readonly namespace: string;
  readonly reason: ExitReason;
  readonly endedAtMs: number;
}

/** Ended instances that are told of, and for how long: those who show instances ask several times a second. */
const endedMax = 256;
const endedToldMs = 60_000;

interface Entry {
  readonly instance: Instance;
  readonly leases: Set<LeaseHolder>;
  idle: Timer | undefined;
  /** Set once it is being stopped: it is given to nobody any more. */
  stopping: { readonly reason: ExitReason; readonly done: Promise<void> } | undefined;
}

/** See the file's opening. */
export class Instances {
  readonly #options: InstancesOptions;
  readonly #entries = new Map<string, Entry>();
  readonly #ended: EndedInstance[] = [];

  constructor(options: InstancesOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** Takes up an instance that has just started; it is idle until it is leased. */
  add(instance: Instance): void {
    const entry: Entry = { instance, leases: new Set(), idle: undefined, stopping: undefined };
    this.#entries.set(instance.id, entry);
    this.#startIdling(entry);
    void instance.loaded.exited.then((reason) => this.#onExit(entry, reason));
  }

  /** Every instance, also those that stop. */
  list(): ListedInstance[] {
    return Array.from(this.#entries.values(), ({ instance, leases, stopping }) => ({
      instance,
      state: stopping === undefined ? "running" : "stopping",
      leases: leases.size,
    }));
  }

  /** Those that ended within the last minute, the latest at the end. */
  get ended(): readonly EndedInstance[] {
    const fromMs = this.#options.clock.nowMs() - endedToldMs;
    return this.#ended.filter(({ endedAtMs }) => endedAtMs >= fromMs);
  }

  /** The instances of a revision that can be given out, as the decision on activation sees them. */
  runningOf(revision: string, holder: LeaseHolder): RunningInstance[] {
    return this.#running((entry) => entry.instance.revision.uid === revision).map(({ instance, leases }) => ({
      id: instance.id,
      leases: leases.size,
      isHeldByCaller: leases.has(holder),
    }));
  }

  /** Leases an instance; undefined when it is gone or going, or the holder is. */
  lease(id: string, holder: LeaseHolder): Instance | undefined {
    const entry = this.#entries.get(id);
    if (entry === undefined || entry.stopping !== undefined || !holder.isOpen) return undefined;
    entry.idle?.cancel();
    entry.leases.add(holder);
    return entry.instance;
  }

  /** Gives a lease back; without another one the instance idles. */
  release(id: string, holder: LeaseHolder): void {
    const entry = this.#entries.get(id);
    if (entry?.leases.delete(holder) === true && entry.leases.size === 0) this.#startIdling(entry);
  }

  /** Gives a lease back of an instance that has been idle long enough: without another one it stops at once. */
  releaseIdle(id: string, holder: LeaseHolder): void {
    const entry = this.#entries.get(id);
    if (entry?.leases.delete(holder) === true && entry.leases.size === 0) void this.#stop(entry, "idle");
  }

  /** Gives every lease of a holder back, because it is gone. */
  releaseAll(holder: LeaseHolder): void {
    for (const id of this.#entries.keys()) this.release(id, holder);
  }

  /** Stops every instance of a revision. */
  async stopRevision(revision: string): Promise<void> {
    const entries = this.#running((entry) => entry.instance.revision.uid === revision);
    await Promise.all(entries.map((entry) => this.#stop(entry, "stopped")));
  }

  /** Stops every instance. */
  async stopAll(): Promise<void> {
    await Promise.all(Array.from(this.#entries.values(), (entry) => this.#stop(entry, "stopped")));
  }

  #running(isWanted: (entry: Entry) => boolean): Entry[] {
    return [...this.#entries.values()].filter((entry) => entry.stopping === undefined && isWanted(entry));
  }

  #startIdling(entry: Entry): void {
    entry.idle?.cancel();
    if (entry.stopping !== undefined) return;
    const { idleMs } = entry.instance.revision.spec.scale;
    entry.idle = this.#options.clock.after(idleMs, () => void this.#stop(entry, "idle"));
  }

  #stop(entry: Entry, reason: ExitReason): Promise<void> {
    entry.idle?.cancel();
    entry.stopping ??= { reason, done: this.#end(entry, reason) };
    return entry.stopping.done;
  }

  async #end({ instance }: Entry, reason: ExitReason): Promise<void> {
    try {
      await instance.loaded.stop(reason);
    } catch (error) {
      this.#options.log.error("cannot stop an instance", { instance: instance.id, error: errorText(error) });
      await instance.slot.destroy();
    }
  }

  #onExit(entry: Entry, exit: ExitReason): void {
    const { instance } = entry;
    const reason = entry.stopping?.reason ?? exit;
    entry.idle?.cancel();
    this.#entries.delete(instance.id);
    const { id, revision } = instance;
    const endedAtMs = this.#options.clock.nowMs();
    this.#ended.push({ id, namespace: revision.namespace, reason, endedAtMs });
    if (this.#ended.length > endedMax) this.#ended.shift();
    for (const holder of entry.leases) holder.onGone(instance, reason);
    this.#options.onGone(instance, reason);
    instance.slot.destroy().catch((error: unknown) => {
      this.#options.log.error("cannot clear a slot", { slot: instance.slot.uid, error: errorText(error) });
    });
  }
}

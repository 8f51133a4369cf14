/** Booted slots in reserve: hands one out at once, makes the next in the background one at a time, and never uses one twice. */
import { AddressAllocator } from "#core/address/address-allocator.ts";
import type { Cidr, IpAddress } from "#core/address/ip.ts";
import type { Log } from "#host/log.ts";
import { errorText, MeshError } from "#host/mesh-error.ts";
import { bootSlot, type Slot, type SlotHost } from "./slot.ts";
import { openSlotNetwork, type SlotNetwork } from "./slot-network.ts";

/** How the pool works. */
export interface PoolOptions {
  /** Slots kept ready. Default 4. */
  readonly size: number;
  /** Addresses of slots. */
  readonly range: Cidr;
  /** Addresses at the range's beginning that are not for slots. Default 2: the network's own and the node's. */
  readonly reservedFirst: number;
  /** How long an address rests before another slot gets it. Default 30000. */
  readonly quarantineMs: number;
  readonly nameserver: IpAddress;
  /**
   * How long after a slot was handed out the next is begun: making one takes milliseconds of this thread and of a core, which the
   * activation needs first. Default 25.
   */
  readonly refillDelayMs: number;
  /** How long to wait after a slot could not be made. Default 1000. */
  readonly retryMs: number;
  /** Most callers that wait for a slot at once. Default 256. */
  readonly waitingMax: number;
}

/** The defaults stated above. */
export const defaultPoolOptions: Omit<PoolOptions, "range" | "nameserver"> = {
  size: 4,
  reservedFirst: 2,
  quarantineMs: 30_000,
  refillDelayMs: 25,
  retryMs: 1000,
  waitingMax: 256,
};

/** Who is told of slots. */
export interface PoolListener {
  /** A slot's network exists: the node protocol's `Prepare`. The slot is handed out once this settles, and thrown away if it rejects. */
  prepare(network: SlotNetwork): Promise<void>;
  /** A slot is gone, with everything of it. */
  gone(network: SlotNetwork): void;
}

/** A slot with how it was had: ready before, or made while the caller waited. */
export interface TakenSlot {
  readonly slot: Slot;
  readonly rung: "pooled" | "new";
}

interface Waiting {
  readonly resolve: (slot: Slot) => void;
  readonly reject: (error: Error) => void;
}

/** See the file's opening. */
export class SlotPool {
  readonly #host: SlotHost;
  readonly #options: PoolOptions;
  readonly #listener: PoolListener;
  readonly #log: Log;
  readonly #addresses: AddressAllocator;
  readonly #ready: Slot[] = [];
  readonly #waiting: Waiting[] = [];
  readonly #open = new Set<Slot>();
  #filling: Promise<void> | undefined;
  #stopWaiting: () => void = () => undefined;
  #closed = false;

  constructor(host: SlotHost, options: PoolOptions, listener: PoolListener, log: Log) {
    this.#host = host;
    this.#options = options;
    this.#listener = listener;
    this.#log = log;
    this.#addresses = new AddressAllocator(options);
  }

  /** Slots that are ready now. */
  get readyCount(): number {
    return this.#ready.length;
  }

  /** Slots that exist, ready and handed out. */
  get openCount(): number {
    return this.#open.size;
  }

  /** Starts making slots. */
  start(): void {
    if (this.#filling !== undefined || this.#closed) return;
    this.#filling = this.#fill().finally(() => {
      this.#filling = undefined;
      if (this.#wanted() > 0) this.start();
    });
  }

  /**
   * Hands out a slot: at once when one is ready. The caller closes it.
   * @throws MeshError `timeout` when none was made in time, `limit-reached` when too many wait, `unavailable` when the pool is closed
   */
  async take(timeoutMs: number): Promise<TakenSlot> {
    if (this.#closed) throw new MeshError("unavailable", "Cannot take a slot: the pool is closed");
    const slot = this.#ready.shift();
    if (slot !== undefined) {
      this.#refillLater();
      return { slot, rung: "pooled" };
    }
    this.start();
    return { slot: await this.#wait(timeoutMs), rung: "new" };
  }

  /** Closes every slot, handed out or not, and settles when all are gone. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#stopWaiting();
    for (const waiting of this.#waiting.splice(0)) {
      waiting.reject(new MeshError("unavailable", "Cannot take a slot: the pool is closed"));
    }
    await this.#filling;
    await Promise.allSettled([...this.#open].map((slot) => slot.close()));
  }

  #refillLater(): void {
    if (this.#filling !== undefined) return;
    this.#host.clock.after(this.#options.refillDelayMs, () => this.start());
  }

  #wait(timeoutMs: number): Promise<Slot> {
    if (this.#waiting.length >= this.#options.waitingMax) {
      throw new MeshError(
        "limit-reached",
        `Cannot wait for a slot: ${this.#waiting.length} callers wait already`,
      );
    }
    const got = Promise.withResolvers<Slot>();
    const timer = this.#host.clock.after(timeoutMs, () => {
      const at = this.#waiting.indexOf(waiting);
      if (at >= 0) this.#waiting.splice(at, 1);
      got.reject(new MeshError("timeout", `Cannot take a slot: none was made within ${timeoutMs} ms`));
    });
    const waiting: Waiting = {
      resolve(slot) {
        timer.cancel();
        got.resolve(slot);
      },
      reject(error) {
        timer.cancel();
        got.reject(error);
      },
    };
    this.#waiting.push(waiting);
    return got.promise;
  }

  #wanted(): number {
    return this.#closed ? 0 : this.#options.size - this.#ready.length + this.#waiting.length;
  }

  async #fill(): Promise<void> {
    while (this.#wanted() > 0) {
      try {
        this.#offer(await this.#make());
      } catch (error) {
        this.#log.error("slot not made", { error: errorText(error) });
        await this.#pause();
      }
    }
  }

  /** Waits before the next try; closing the pool ends it. */
  async #pause(): Promise<void> {
    if (this.#closed) return;
    const paused = Promise.withResolvers<void>();
    const timer = this.#host.clock.after(this.#options.retryMs, paused.resolve);
    this.#stopWaiting = paused.resolve;
    await paused.promise;
    timer.cancel();
  }

  #offer(slot: Slot): void {
    const waiting = this.#waiting.shift();
    if (waiting === undefined) this.#ready.push(slot);
    else waiting.resolve(slot);
  }

  async #make(): Promise<Slot> {
    const taken = this.#addresses.allocate(this.#host.clock.monotonicMs());
    if (taken === undefined) {
      throw new MeshError(
        "limit-reached",
        `Cannot make a slot: all ${this.#addresses.usedCount} addresses are in use or rest`,
      );
    }
    const release = (): void => this.#addresses.release(taken.index, this.#host.clock.monotonicMs());
    let network: SlotNetwork | undefined;
    try {
      const uid = `slot-${crypto.randomUUID()}`;
      network = openSlotNetwork(this.#host.libc, { uid, ...taken, nameserver: this.#options.nameserver });
      const slot = await this.#boot(network);
      this.#keep(slot, release);
      return slot;
    } catch (error) {
      network?.close();
      release();
      throw error;
    }
  }

  /** Boots the engine while the node protocol puts its listener in place. */
  async #boot(network: SlotNetwork): Promise<Slot> {
    const [booted, prepared] = await Promise.allSettled([
      bootSlot(this.#host, network),
      this.#listener.prepare(network),
    ]);
    if (booted.status === "fulfilled" && prepared.status === "fulfilled") return booted.value;
    if (booted.status === "fulfilled") await booted.value.close();
    if (prepared.status === "fulfilled") this.#listener.gone(network);
    throw booted.status === "rejected"
      ? asError(booted.reason)
      : asError((prepared as PromiseRejectedResult).reason);
  }

  #keep(slot: Slot, release: () => void): void {
    this.#open.add(slot);
    // A slot that dies in reserve must not be handed out; one that was handed out is its instance's to close.
    void slot.exited.then(() => {
      const at = this.#ready.indexOf(slot);
      if (at < 0) return undefined;
      this.#ready.splice(at, 1);
      this.#log.warn("slot ended in reserve", { uid: slot.network.uid });
      this.start();
      return slot.close();
    });
    void slot.closed
      .catch((error: unknown) => this.#log.error("slot not closed whole", { error: errorText(error) }))
      .then(() => {
        this.#open.delete(slot);
        release();
        this.#listener.gone(slot.network);
      });
  }
}

function asError(reason: unknown): Error {
  return reason instanceof Error ? reason : new Error(String(reason));
}

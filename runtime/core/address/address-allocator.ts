/** Hands out the IPv4 addresses of a range, none again before its quarantine is over: a value and its transitions, no timers. */
import { addressAt } from "./address-at.ts";
import type { Cidr, IpAddress } from "./ip.ts";

/** What is handed out, and how. */
export interface AllocatorOptions {
  readonly range: Cidr;
  /** How many addresses at the range's beginning are never handed out. */
  readonly reservedFirst: number;
  /** How long a released address rests. */
  readonly quarantineMs: number;
}

/** An address with its place in the range. */
export interface AllocatedAddress {
  readonly index: number;
  readonly address: IpAddress;
}

/** The addresses of a range; fresh ones first, then the one that has rested longest. */
export class AddressAllocator {
  readonly #options: AllocatorOptions;
  readonly #size: number;
  readonly #used = new Set<number>();
  /** In order of release, so that only the first can be due. */
  readonly #resting: { readonly index: number; readonly untilMs: number }[] = [];
  #next: number;

  constructor(options: AllocatorOptions) {
    this.#options = options;
    this.#size = 2 ** (32 - options.range.prefixBits);
    this.#next = options.reservedFirst;
  }

  /** Takes an address; undefined when all are in use or rest. */
  allocate(nowMs: number): AllocatedAddress | undefined {
    const index = this.#take(nowMs);
    if (index === undefined) return undefined;
    this.#used.add(index);
    return { index, address: addressAt(this.#options.range, index) };
  }

  /** Gives an address back; one that is not in use is ignored. */
  release(index: number, nowMs: number): void {
    if (this.#used.delete(index)) this.#resting.push({ index, untilMs: nowMs + this.#options.quarantineMs });
  }

  /** How many addresses are in use. */
  get usedCount(): number {
    return this.#used.size;
  }

  #take(nowMs: number): number | undefined {
    if (this.#next < this.#size) return this.#next++;
    const first = this.#resting[0];
    if (first === undefined || first.untilMs > nowMs) return undefined;
    this.#resting.shift();
    return first.index;
  }
}

/** Names of objects to look at: each waits once and is worked on once at a time; one that failed waits longer each time. */
import type { Clock, Timer } from "#host/clock.ts";
import { backoffMs } from "#host/discovery/backoff.ts";

interface Wish {
  readonly atMs: number;
  readonly timer: Timer;
}

/** How a queue works. */
export interface WorkQueueOptions {
  /** Looks at one object. @returns after how long to look again, if at all. @throws when it is to be tried again */
  readonly work: (key: string) => Promise<number | undefined>;
  readonly onFailure: (key: string, error: unknown, retryInMs: number) => void;
  /** All names there are: asked when more came than can wait. */
  readonly all: () => Iterable<string>;
  readonly clock: Clock;
  readonly random: () => number;
  /** Worked on at once. Default 4. */
  readonly runningMax?: number;
  /** That wait at once. Default 20000. */
  readonly waitingMax?: number;
  /** Between two looks at one object: a burst of changes is few looks, the first of them at once. Default 20. */
  readonly restMs?: number;
}

const backoff = { firstMs: 20, longestMs: 30_000, jitter: 0.2 };

/** See the file's head. */
export class WorkQueue {
  readonly #options: WorkQueueOptions;
  readonly #waiting = new Set<string>();
  readonly #running = new Set<string>();
  /** Were worked on just now. */
  readonly #resting = new Map<string, Timer>();
  /** Named again while they were worked on, or rest. */
  readonly #again = new Set<string>();
  readonly #failures = new Map<string, number>();
  readonly #later = new Map<string, Wish>();
  #hasOverflown = false;
  #isOpen = true;
  #isScheduled = false;

  constructor(options: WorkQueueOptions) {
    this.#options = options;
  }

  /** How many wait or are worked on. */
  get size(): number {
    return this.#waiting.size + this.#running.size;
  }

  /** Has an object looked at, soon. */
  add(key: string): void {
    if (!this.#isOpen) return;
    if (this.#running.has(key) || this.#resting.has(key)) {
      this.#again.add(key);
      return;
    }
    if (this.#waiting.size >= (this.#options.waitingMax ?? 20_000) && !this.#waiting.has(key)) {
      this.#hasOverflown = true;
      return;
    }
    this.#waiting.add(key);
    this.#schedule();
  }

  /** Has an object looked at later; an earlier wish stands. */
  addAfter(key: string, delayMs: number): void {
    if (!this.#isOpen) return;
    const { clock } = this.#options;
    const atMs = clock.monotonicMs() + delayMs;
    const known = this.#later.get(key);
    if (known !== undefined && known.atMs <= atMs) return;
    known?.timer.cancel();
    const timer = clock.after(delayMs, () => {
      this.#later.delete(key);
      this.add(key);
    });
    this.#later.set(key, { atMs, timer });
  }

  /** Nothing more is begun. */
  close(): void {
    this.#isOpen = false;
    for (const { timer } of this.#later.values()) timer.cancel();
    for (const timer of this.#resting.values()) timer.cancel();
    this.#later.clear();
    this.#resting.clear();
    this.#waiting.clear();
  }

  /** In a turn of its own, so that a burst of changes is one look. */
  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(() => {
      this.#isScheduled = false;
      this.#start();
    });
  }

  #start(): void {
    for (const key of this.#waiting) {
      if (!this.#isOpen || this.#running.size >= (this.#options.runningMax ?? 4)) return;
      this.#waiting.delete(key);
      this.#running.add(key);
      void this.#run(key);
    }
    if (!this.#hasOverflown || this.#waiting.size > 0) return;
    this.#hasOverflown = false;
    for (const key of this.#options.all()) this.add(key);
  }

  /** Never rejects. */
  async #run(key: string): Promise<void> {
    this.#later.get(key)?.timer.cancel();
    this.#later.delete(key);
    try {
      const againMs = await this.#options.work(key);
      this.#failures.delete(key);
      if (againMs !== undefined) this.addAfter(key, againMs);
    } catch (error) {
      const failures = (this.#failures.get(key) ?? 0) + 1;
      this.#failures.set(key, failures);
      const waitMs = backoffMs(backoff, failures, this.#options.random());
      this.#options.onFailure(key, error, waitMs);
      this.addAfter(key, waitMs);
      // What is named again meanwhile waits as well: its change may be what the failed try wrote itself.
      this.#again.delete(key);
    }
    this.#running.delete(key);
    this.#rest(key);
    this.#schedule();
  }

  #rest(key: string): void {
    const { restMs = 20, clock } = this.#options;
    const wake = (): void => {
      this.#resting.delete(key);
      if (this.#again.delete(key)) this.add(key);
    };
    if (restMs === 0 || !this.#isOpen) wake();
    else this.#resting.set(key, clock.after(restMs, wake));
  }
}

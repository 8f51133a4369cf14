/** Names of objects to look at: each waits once and is worked on once at a time; one that failed waits longer each time. */
import type { Clock, Timer } from "#host/clock.ts";
import { backoffMs } from "#host/discovery/backoff.ts";

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
}

const backoff = { firstMs: 20, longestMs: 30_000, jitter: 0.2 };

/** See the file's head. */
export class WorkQueue {
  readonly #options: WorkQueueOptions;
  readonly #waiting = new Set<string>();
  readonly #running = new Set<string>();
  /** Named again while they were worked on. */
  readonly #again = new Set<string>();
  readonly #failures = new Map<string, number>();
  readonly #timers = new Map<string, Timer>();
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
    if (this.#running.has(key)) {
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
    this.#timers.get(key)?.cancel();
    const timer = this.#options.clock.after(delayMs, () => {
      this.#timers.delete(key);
      this.add(key);
    });
    this.#timers.set(key, timer);
  }

  /** Nothing more is begun. */
  close(): void {
    this.#isOpen = false;
    for (const timer of this.#timers.values()) timer.cancel();
    this.#timers.clear();
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
    this.#timers.get(key)?.cancel();
    this.#timers.delete(key);
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
    if (this.#again.delete(key)) this.add(key);
    else this.#schedule();
  }
}

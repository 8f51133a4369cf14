/** Follow-up work of committed changes: one job a key, run a few at a time behind the writes, tried again with backoff when the store refuses. */
import type { Clock, Timer } from "#host/clock.ts";
import type { Log } from "#host/log.ts";
import { errorText } from "#host/mesh-error.ts";

/** Work under a name: while it waits, the same work is not queued twice. */
export interface Job {
  readonly name: string;
  /** One bounded step. @returns whether it wants to run again. */
  run(): boolean;
}

/** Steps in one turn of the event loop, and how long it may take; requests come in between. */
const stepsPerTurn = 32;
const turnMs = 4;
const backoffMs = { first: 50, longest: 5000 } as const;

/** Runs jobs. */
export class JobQueue {
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #jobs = new Map<string, Job>();
  #timer: Timer | undefined;
  #failures = 0;
  #open = true;

  constructor(clock: Clock, log: Log) {
    this.#clock = clock;
    this.#log = log;
  }

  /** How many jobs wait. */
  get size(): number {
    return this.#jobs.size;
  }

  /** Queues a job unless it waits already. */
  add(job: Job): void {
    if (this.#jobs.has(job.name)) return;
    this.#jobs.set(job.name, job);
    this.#schedule(0);
  }

  /** Runs until nothing waits or a job fails: for the start, before anyone is served. */
  drain(): void {
    while (this.#jobs.size > 0 && this.#step());
  }

  /** Drops what waits. */
  close(): void {
    this.#open = false;
    this.#timer?.cancel();
    this.#jobs.clear();
  }

  #schedule(delayMs: number): void {
    if (!this.#open || this.#timer !== undefined) return;
    this.#timer = this.#clock.after(delayMs, () => {
      this.#timer = undefined;
      const untilMs = this.#clock.monotonicMs() + turnMs;
      let isFine = true;
      for (let i = 0; i < stepsPerTurn && isFine && this.#jobs.size > 0; i++) {
        isFine = this.#step();
        if (this.#clock.monotonicMs() > untilMs) break;
      }
      if (this.#jobs.size > 0) this.#schedule(isFine ? 0 : this.#backoffMs());
    });
  }

  #backoffMs(): number {
    return Math.min(backoffMs.longest, backoffMs.first * 2 ** Math.min(this.#failures, 10));
  }

  /** @returns false when the job failed. */
  #step(): boolean {
    const [job] = this.#jobs.values();
    if (job === undefined) return true;
    this.#jobs.delete(job.name);
    try {
      if (job.run() && !this.#jobs.has(job.name)) this.#jobs.set(job.name, job);
      this.#failures = 0;
      return true;
    } catch (error) {
      // Behind the others, so that one object that cannot be dealt with does not hold up the rest.
      this.#jobs.set(job.name, job);
      this.#failures++;
      this.#log.warn("api job failed", { job: job.name, error: errorText(error), failures: this.#failures });
      return false;
    }
  }
}

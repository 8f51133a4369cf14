/** The time that a container has to end by itself, which can be cut short while it runs. */
import type { Clock, Timer } from "#host/clock.ts";

/** See the file's opening. */
export class Grace {
  readonly #clock: Clock;
  readonly #over = Promise.withResolvers<void>();
  #deadlineMs: number;
  #timer: Timer;

  constructor(clock: Clock, graceMs: number) {
    this.#clock = clock;
    this.#deadlineMs = clock.monotonicMs() + graceMs;
    this.#timer = clock.after(graceMs, () => this.#over.resolve());
  }

  /** Resolves when the time is up. */
  get over(): Promise<void> {
    return this.#over.promise;
  }

  /** What is left of it. */
  get leftMs(): number {
    return Math.max(0, this.#deadlineMs - this.#clock.monotonicMs());
  }

  /** Leaves at most so much. */
  shorten(graceMs: number): void {
    if (graceMs >= this.leftMs) return;
    this.#timer.cancel();
    this.#deadlineMs = this.#clock.monotonicMs() + graceMs;
    this.#timer = this.#clock.after(graceMs, () => this.#over.resolve());
  }

  /** Its timer is not needed any more. */
  close(): void {
    this.#timer.cancel();
  }
}

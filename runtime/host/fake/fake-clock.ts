/** A clock that stands still until a test steps it; timers fire in order of their time. */
import type { Clock, Timer } from "#host/clock.ts";

interface Waiting {
  readonly atMs: number;
  readonly order: number;
  readonly action: () => void;
}

/** See {@link Clock}; `advance` is the test's hand on it. */
export class FakeClock implements Clock {
  #nowMs: number;
  #order = 0;
  readonly #waiting = new Set<Waiting>();

  constructor(startMs = 1_800_000_000_000) {
    this.#nowMs = startMs;
  }

  nowMs(): number {
    return this.#nowMs;
  }

  monotonicMs(): number {
    return this.#nowMs;
  }

  after(delayMs: number, action: () => void): Timer {
    const waiting = { atMs: this.#nowMs + delayMs, order: this.#order++, action };
    this.#waiting.add(waiting);
    return { cancel: () => void this.#waiting.delete(waiting) };
  }

  /** How many timers wait. */
  get pending(): number {
    return this.#waiting.size;
  }

  /** Moves time forward, firing what falls due on the way, timers made by timers included. */
  advance(byMs: number): void {
    const untilMs = this.#nowMs + byMs;
    for (let next = this.#nextDue(untilMs); next !== undefined; next = this.#nextDue(untilMs)) {
      this.#waiting.delete(next);
      this.#nowMs = Math.max(this.#nowMs, next.atMs);
      next.action();
    }
    this.#nowMs = untilMs;
  }

  #nextDue(untilMs: number): Waiting | undefined {
    let first: Waiting | undefined;
    for (const waiting of this.#waiting) {
      if (waiting.atMs > untilMs) continue;
      if (
        first === undefined ||
        waiting.atMs < first.atMs ||
        (waiting.atMs === first.atMs && waiting.order < first.order)
      ) {
        first = waiting;
      }
    }
    return first;
  }
}

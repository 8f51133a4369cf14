/** How much cheap work a peer may cause before it counts as an attack; useful traffic and time earn it back. */

/** What is bounded, and how much of it a peer may do from a standing start or between two refills. */
const allowances = {
  /**
   * Streams reset before we answered them (rapid reset), and streams that broke a rule. A busy tunnel whose callers
   * lose patience all at once resets hundreds in good faith.
   */
  reset: 1000,
  ping: 1000,
  settings: 50,
  /** DATA that neither carries a byte nor ends a stream. */
  emptyData: 1000,
  windowUpdate: 20_000,
  /** PRIORITY, frames of unknown type, GOAWAY and answers to pings: what costs nothing but the reading. */
  ignored: 2000,
} as const;

/** One kind of bounded work. */
export type Abuse = keyof typeof allowances;

/** One peer's budget. Without a clock of its own: the owner refills it now and then. */
export class AbuseBudget {
  readonly #left: Record<Abuse, number> = { ...allowances };

  /** Spends one; false when there is none left, which ends the connection. */
  spend(kind: Abuse): boolean {
    return this.#left[kind]-- > 0;
  }

  /** Useful traffic earns back some of a kind, never above its allowance. */
  earn(kind: Abuse, count: number): void {
    const sum = this.#left[kind] + count;
    this.#left[kind] = sum < allowances[kind] ? sum : allowances[kind];
  }

  /** Time has passed: everything is allowed anew. */
  refill(): void {
    Object.assign(this.#left, allowances);
  }
}

/** Lets a bounded number of jobs run at once and a bounded number wait, in order. */
import { MeshError } from "#host/mesh-error.ts";

/** How many. */
export interface GateLimits {
  readonly runningMax: number;
  readonly waitingMax: number;
}

/** See the file's opening. */
export class Gate {
  readonly #limits: GateLimits;
  readonly #waiting: (() => void)[] = [];
  #running = 0;

  constructor(limits: GateLimits) {
    this.#limits = limits;
  }

  /** Runs a job when its turn comes. @throws MeshError `limit-reached` when too many wait; whatever the job throws */
  async run<T>(job: () => Promise<T>): Promise<T> {
    if (this.#running >= this.#limits.runningMax) await this.#turn();
    else this.#running++;
    try {
      return await job();
    } finally {
      // The place passes straight to the next, so that nobody slips in between.
      const next = this.#waiting.shift();
      if (next === undefined) this.#running--;
      else next();
    }
  }

  #turn(): Promise<void> {
    if (this.#waiting.length >= this.#limits.waitingMax) {
      throw new MeshError(
        "limit-reached",
        `Cannot wait for a turn: ${this.#waiting.length} jobs wait already`,
      );
    }
    return new Promise((resolve) => this.#waiting.push(resolve));
  }
}

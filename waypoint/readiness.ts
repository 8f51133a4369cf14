/** What a program waits for before it can serve, each reached once. */
import type { Readiness as State } from "#host/admin/admin-server.ts";
import type { Clock } from "#host/clock.ts";
import { MeshError } from "#host/mesh-error.ts";

/** What must be there. */
export type Need = "configuration" | "policies" | "certificate";

/** See the file's first line. */
export class Readiness {
  readonly #clock: Clock;
  readonly #waitsFor = new Set<Need>(["configuration", "policies", "certificate"]);
  readonly #reached = Promise.withResolvers<void>();

  readonly #onReach: (need: Need, afterMs: number) => void;
  readonly #startedMs: number;

  /** @param onReach told of each when it is there, with the time it took */
  constructor(clock: Clock, onReach: (need: Need, afterMs: number) => void) {
    this.#clock = clock;
    this.#onReach = onReach;
    this.#startedMs = clock.monotonicMs();
  }

  /** One of them is there. */
  reach(need: Need): void {
    if (!this.#waitsFor.delete(need)) return;
    this.#onReach(need, this.#clock.monotonicMs() - this.#startedMs);
    if (this.#waitsFor.size === 0) this.#reached.resolve();
  }

  /** For the admin endpoint. */
  state(): State {
    return this.#waitsFor.size === 0 ? { ready: true } : { ready: false, waitsFor: [...this.#waitsFor] };
  }

  /** Resolves once all are there. @throws MeshError `timeout` (rejects) */
  async reached(withinMs: number): Promise<void> {
    const late = Promise.withResolvers<never>();
    const timer = this.#clock.after(withinMs, () => {
      const missing = [...this.#waitsFor].join(", ");
      late.reject(
        new MeshError("timeout", `Cannot serve within ${withinMs} ms: still waiting for ${missing}`),
      );
    });
    try {
      await Promise.race([this.#reached.promise, late.promise]);
    } finally {
      timer.cancel();
    }
  }
}

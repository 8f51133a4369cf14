/** Carries out actions, few at a time; one that failed, or that changed nothing, waits longer before it is tried again. */
import type { Clock, Timer } from "#host/clock.ts";
import { backoffMs } from "#host/discovery/backoff.ts";
import type { Action } from "../../reconcile/action.ts";
import { actionName } from "../../reconcile/action.ts";

/** What the runner needs. */
export interface ActionRunnerOptions {
  /** Does one action. @throws when it failed */
  readonly perform: (action: Action) => Promise<void>;
  /** Decide anew: an action is done, or a wait is over. */
  readonly onSettled: () => void;
  readonly onFailure: (name: string, error: unknown, retryInMs: number) => void;
  readonly clock: Clock;
  /** Actions at once. Default 64. */
  readonly runningMax?: number;
  /** Checks among them. Default 4: each holds a slot of the node's pool. */
  readonly checksMax?: number;
  /** Actions whose tries are remembered; beyond it all are forgotten and may run at once. Default 10000. */
  readonly rememberedMax?: number;
}

interface Attempt {
  /** What was tried: another content is another wish, and starts afresh. */
  readonly text: string;
  readonly tries: number;
  readonly notBeforeMs: number;
}

const backoff = { firstMs: 50, longestMs: 10_000, jitter: 0.1 };
/** A check that failed will mostly fail again, and each takes a slot of the node's pool. */
const checkBackoff = { firstMs: 1000, longestMs: 300_000, jitter: 0.1 };
const rememberedMaxDefault = 10_000;

/** See the file's head. */
export class ActionRunner {
  readonly #options: ActionRunnerOptions;
  readonly #running = new Set<string>();
  readonly #attempts = new Map<string, Attempt>();
  #wake: Timer | undefined;
  #open = true;

  constructor(options: ActionRunnerOptions) {
    this.#options = options;
  }

  /** Starts what may run now. The rest is decided anew when something settles, so nothing is queued. */
  offer(actions: readonly Action[]): void {
    if (!this.#open) return;
    const nowMs = this.#options.clock.monotonicMs();
    let soonestMs = Number.POSITIVE_INFINITY;
    for (const action of actions) {
      const name = actionName(action);
      if (this.#running.has(name)) continue;
      const attempt = this.#attemptOf(name, action);
      if (attempt.notBeforeMs > nowMs) soonestMs = Math.min(soonestMs, attempt.notBeforeMs);
      else if (this.#hasRoom(action)) this.#start(name, action, attempt);
    }
    this.#wake?.cancel();
    this.#wake = Number.isFinite(soonestMs)
      ? this.#options.clock.after(soonestMs - nowMs, this.#options.onSettled)
      : undefined;
  }

  /** Lets checks that wait for their next try run now: a node that can make them has come. */
  retryChecks(): void {
    for (const name of this.#attempts.keys()) if (name.startsWith("check ")) this.#attempts.delete(name);
  }

  close(): void {
    this.#open = false;
    this.#wake?.cancel();
  }

  #hasRoom({ kind }: Action): boolean {
    const checks = [...this.#running].filter((name) => name.startsWith("check ")).length;
    if (kind === "check") return checks < (this.#options.checksMax ?? 4);
    return this.#running.size - checks < (this.#options.runningMax ?? 64);
  }

  #attemptOf(name: string, action: Action): Attempt {
    const text = JSON.stringify(action);
    const known = this.#attempts.get(name);
    return known?.text === text ? known : { text, tries: 0, notBeforeMs: 0 };
  }

  #start(name: string, action: Action, attempt: Attempt): void {
    const tries = attempt.tries + 1;
    const limits = action.kind === "check" ? checkBackoff : backoff;
    const waitMs = backoffMs(limits, tries, Math.random());
    const notBeforeMs = this.#options.clock.monotonicMs() + waitMs;
    const { rememberedMax = rememberedMaxDefault } = this.#options;
    if (this.#attempts.size >= rememberedMax && !this.#attempts.has(name)) this.#attempts.clear();
    this.#attempts.set(name, { text: attempt.text, tries, notBeforeMs });
    this.#running.add(name);
    void this.#options
      .perform(action)
      .catch((error: unknown) => this.#options.onFailure(name, error, waitMs))
      .finally(() => {
        this.#running.delete(name);
        if (this.#open) this.#options.onSettled();
      });
  }
}

/** The turns of a run's life: what follows its start (hook, probes) and what comes before its end (hook, signal, certainty). */
import { signals } from "#host/linux/spawn.ts";
import type { Container } from "../../model/container.ts";
import { type AskContext, runHook } from "./ask-container.ts";
import type { Grace } from "./grace.ts";
import type { LiveContainer } from "./live-container.ts";
import { Prober } from "./prober.ts";

/** A run, and how it is spoken with. */
export interface Turn {
  readonly container: Container;
  readonly live: LiveContainer;
  readonly ask: AskContext;
  tell(type: "Normal" | "Warning", reason: string, message: string): void;
  onChange(): void;
}

/** A hook that took the whole grace still leaves its process a moment. */
const afterHookMs = 2000;

/** Calls the hook, then asks the probes until the run ends. @param hookMs how long the hook may take */
export async function accompany(turn: Turn, hookMs: number): Promise<void> {
  const { container, live, ask } = turn;
  const hook = container.lifecycle?.postStart;
  if (hook !== undefined && !live.isStarted) {
    const failure = await runHook(ask, hook, hookMs);
    if (failure !== undefined) {
      turn.tell("Warning", "FailedPostStartHook", `PostStartHook failed: ${failure}`);
      live.mustEnd = "FailedPostStartHook";
      return turn.onChange();
    }
  }
  if (live.isOver) return;
  const note = (change: Partial<Pick<LiveContainer, "isStarted" | "isReady" | "mustEnd">>): void => {
    Object.assign(live, change);
    turn.onChange();
  };
  const { name } = container;
  live.prober = new Prober(ask, live.startedAtMs, {
    onStarted: () => note({ isStarted: true }),
    onReady: (isReady) => note({ isReady }),
    onUnhealthy: (kind) =>
      note({ mustEnd: `Container ${name} failed ${kind.toLowerCase()} probe, will be restarted` }),
    onFailure: (kind, message) => turn.tell("Warning", "Unhealthy", `${kind} probe failed: ${message}`),
  });
  live.prober.open(live.isStarted);
}

/** Ends a run. Settles once its process is gone. @param kill ends it and everything it started */
export async function endRun(
  turn: Turn,
  { why, grace, kill }: { readonly why: string; readonly grace: Grace; readonly kill: () => void },
): Promise<void> {
  const { container, live, ask } = turn;
  const exited = live.process.exited.then(() => undefined);
  turn.tell("Normal", "Killing", why);
  live.prober?.close();
  const hook = container.lifecycle?.preStop;
  const hasHook = hook !== undefined && grace.leftMs > 0;
  if (hasHook) {
    const tooLong = grace.over.then(() => "the grace period is over");
    const failure = await Promise.race([runHook(ask, hook, grace.leftMs), exited, tooLong]);
    if (failure !== undefined) turn.tell("Warning", "FailedPreStopHook", `PreStopHook failed: ${failure}`);
  }
  live.process.signal(signals.terminate);
  const leastMs = hasHook && grace.leftMs === 0 ? afterHookMs : 0;
  const late = new Promise<void>((resolve) => void grace.over.then(() => ask.clock.after(leastMs, resolve)));
  await Promise.race([exited, late]);
  kill();
  await exited;
}

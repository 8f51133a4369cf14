/**
 * Asks a container again and again whether it has started, lives and is ready, from its start to its end.
 *
 *     postStart ──▶ startup probe ──▶ started: liveness and readiness probes
 */
import type { Clock, Timer } from "#host/clock.ts";
import type { Container, Probe } from "../../model/container.ts";
import { type ProbeAnswer, unasked, withAnswer } from "../../reconcile/pods/probe-state.ts";
import { askContainer, type Asked, type AskContext } from "./ask-container.ts";

/** Which question. */
export type ProbeKind = "Startup" | "Liveness" | "Readiness";

/** What a prober tells. */
export interface ProbeListener {
  /** Told once. */
  onStarted(): void;
  onReady(isReady: boolean): void;
  /** It must end: told once. */
  onUnhealthy(kind: ProbeKind): void;
  /** One question failed. */
  onFailure(kind: ProbeKind, message: string): void;
}

/** See the file's opening. */
export class Prober {
  readonly #context: AskContext;
  readonly #clock: Clock;
  readonly #container: Container;
  readonly #listener: ProbeListener;
  readonly #startedAtMs: number;
  readonly #timers = new Set<Timer>();
  #isOpen = true;

  /** @param startedAtMs when the container was started, on the wall clock */
  constructor(context: AskContext, startedAtMs: number, listener: ProbeListener) {
    this.#context = context;
    this.#clock = context.clock;
    this.#container = context.container;
    this.#listener = listener;
    this.#startedAtMs = startedAtMs;
  }

  /** Begins to ask. @param isStarted what an earlier program has found already */
  open(isStarted: boolean): void {
    const { startupProbe } = this.#container;
    if (isStarted || startupProbe === undefined) return this.#afterStart();
    this.#repeat("Startup", startupProbe, (verdict) => {
      if (verdict === "success") this.#afterStart();
      else this.#listener.onUnhealthy("Startup");
      return "stop";
    });
  }

  /** Asks nothing more. */
  close(): void {
    this.#isOpen = false;
    for (const timer of this.#timers) timer.cancel();
    this.#timers.clear();
  }

  #afterStart(): void {
    const { livenessProbe, readinessProbe } = this.#container;
    this.#listener.onStarted();
    if (readinessProbe === undefined) this.#listener.onReady(true);
    else
      this.#repeat("Readiness", readinessProbe, (verdict) => {
        this.#listener.onReady(verdict === "success");
        return "go on";
      });
    if (livenessProbe === undefined) return;
    this.#repeat("Liveness", livenessProbe, (verdict) => {
      if (verdict === "success") return "go on";
      this.#listener.onUnhealthy("Liveness");
      return "stop";
    });
  }

  /** Asks every period; `onVerdict` is told of each change. */
  #repeat(kind: ProbeKind, probe: Probe, onVerdict: (verdict: ProbeAnswer) => "go on" | "stop"): void {
    const periodMs = (probe.periodSeconds ?? 10) * 1000;
    const timeoutMs = (probe.timeoutSeconds ?? 1) * 1000;
    let state = unasked;
    const take = ({ answer, message }: Asked): void => {
      if (!this.#isOpen) return;
      if (answer === "failure") this.#listener.onFailure(kind, message);
      const before = state.verdict;
      state = withAnswer(state, answer, probe);
      const isNews = state.verdict !== undefined && state.verdict !== before;
      if (isNews && onVerdict(state.verdict ?? answer) === "stop") return;
      this.#later(periodMs, ask);
    };
    const ask = (): void => void askContainer(this.#context, probe, timeoutMs).then(take);
    const sinceMs = this.#clock.nowMs() - this.#startedAtMs;
    this.#later(Math.max(0, (probe.initialDelaySeconds ?? 0) * 1000 - sinceMs), ask);
  }

  #later(delayMs: number, action: () => void): void {
    if (!this.#isOpen) return;
    const timer = this.#clock.after(delayMs, () => {
      this.#timers.delete(timer);
      action();
    });
    this.#timers.add(timer);
  }
}

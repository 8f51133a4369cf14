/** Calls the `scheduled` handlers of functions when their cron expressions are due. A run that is missed, because the node was down or the last one still ran, is not made up for. */
import { formatTraceparent, type TraceContext } from "#core/telemetry/trace-context.ts";
import type { Span } from "#core/telemetry/span.ts";
import type { Clock, Timer } from "#host/clock.ts";
import type { ObjectEvent } from "#host/kube/kube-client.ts";
import type { FunctionObject } from "#host/kube/known-resources.ts";
import type { Log } from "#host/log.ts";
import { errorText, MeshError } from "#host/mesh-error.ts";
import type { Activation } from "../activation/activator.ts";
import type { LeaseHolder } from "../activation/instance.ts";
import type { ScheduleReport } from "../node-methods.ts";
import { parseCron, type ScheduleTimes } from "./schedule-times.ts";

/** What running schedules needs. */
export interface SchedulesOptions {
  readonly clock: Clock;
  readonly log: Log;
  /** Leases an instance of `<namespace>/<revision>`. */
  readonly activate: (revision: string, holder: LeaseHolder) => Promise<Activation>;
  readonly release: (instance: string, holder: LeaseHolder) => void;
  /** The context of a run's span, the first of its trace. */
  readonly newTrace: () => TraceContext;
  /** Takes the span of a run; the activation is absent when there was none. */
  readonly record: (span: Span, activation: Activation | undefined) => void;
  readonly onRun: (result: "succeeded" | "failed" | "skipped") => void;
  /** Longest run of a handler. Default 300000. */
  readonly runTimeoutMs: number;
}

interface Schedule {
  readonly namespace: string;
  readonly function: string;
  readonly cron: string;
  /** Undefined when the expression cannot be read. */
  readonly times: ScheduleTimes | undefined;
  /** The revision to call, by its object's name. */
  revision: string | undefined;
  timer: Timer | undefined;
  nextRunAtMs: number | undefined;
  lastRunAtMs: number | undefined;
  lastResult: string | undefined;
}

/** Longest single wait: a machine whose clock is set is noticed within it, and no timer overflows. */
const longestWaitMs = 60_000;
const resultTextMax = 500;

/** See the file's opening. */
export class Schedules {
  readonly #options: SchedulesOptions;
  readonly #schedules = new Map<string, Schedule>();
  readonly #runs = new Set<Promise<void>>();

  constructor(options: SchedulesOptions) {
    this.#options = options;
  }

  /** What there is, for those who ask. */
  report(): ScheduleReport[] {
    return Array.from(this.#schedules.values(), (schedule) => ({
      namespace: schedule.namespace,
      function: schedule.function,
      cron: schedule.cron,
      nextRunAtMs: schedule.nextRunAtMs,
      lastRunAtMs: schedule.lastRunAtMs,
      lastResult: schedule.lastResult,
    }));
  }

  /** Takes a change of a function up: its schedules, and the revision they call. */
  onEvent(event: ObjectEvent<FunctionObject>): void {
    const { metadata, spec, status } = event.object;
    const prefix = `${metadata.namespace}/${metadata.name} `;
    const wanted = event.type === "DELETED" ? [] : spec.schedules.map(({ cron }) => cron);
    const ready = status?.latestReadyRevision;
    const revision = ready === undefined ? undefined : `${metadata.name}-${ready}`;
    for (const [key, schedule] of this.#schedules) {
      if (key.startsWith(prefix) && !wanted.includes(schedule.cron)) this.#remove(key, schedule);
    }
    for (const cron of wanted) {
      const known = this.#schedules.get(prefix + cron);
      if (known === undefined)
        this.#add(prefix + cron, { namespace: metadata.namespace, function: metadata.name, cron, revision });
      else known.revision = revision;
    }
  }

  /** Runs nothing more, and waits for what runs. */
  async close(): Promise<void> {
    for (const [key, schedule] of this.#schedules) this.#remove(key, schedule);
    await Promise.all(this.#runs);
  }

  #add(key: string, given: Pick<Schedule, "namespace" | "function" | "cron" | "revision">): void {
    const times = parseCron(given.cron);
    const schedule: Schedule = {
      ...given,
      times: times.ok ? times.value : undefined,
      timer: undefined,
      nextRunAtMs: undefined,
      lastRunAtMs: undefined,
      lastResult: times.ok ? undefined : `failed: ${times.error}`,
    };
    this.#schedules.set(key, schedule);
    if (times.ok) this.#plan(schedule);
    else this.#options.log.error("schedule refused", { function: key, reason: times.error });
  }

  #remove(key: string, schedule: Schedule): void {
    schedule.timer?.cancel();
    this.#schedules.delete(key);
  }

  #plan(schedule: Schedule): void {
    const { clock } = this.#options;
    schedule.nextRunAtMs = schedule.times?.next(clock.nowMs());
    this.#wait(schedule);
  }

  #wait(schedule: Schedule): void {
    const dueMs = schedule.nextRunAtMs;
    if (dueMs === undefined) return;
    const waitMs = Math.min(longestWaitMs, Math.max(0, dueMs - this.#options.clock.nowMs()));
    schedule.timer = this.#options.clock.after(waitMs, () => {
      if (this.#options.clock.nowMs() < dueMs) return this.#wait(schedule);
      this.#fire(schedule, dueMs);
      return this.#plan(schedule);
    });
  }

  #fire(schedule: Schedule, dueMs: number): void {
    if (schedule.lastResult === "running") return this.#options.onRun("skipped");
    schedule.lastRunAtMs = dueMs;
    schedule.lastResult = "running";
    const run = this.#run(schedule, dueMs).finally(() => this.#runs.delete(run));
    this.#runs.add(run);
  }

  async #run(schedule: Schedule, dueMs: number): Promise<void> {
    const { clock, log, newTrace, record, onRun } = this.#options;
    const context = newTrace();
    const startMs = clock.nowMs();
    const held: { activation: Activation | undefined } = { activation: undefined };
    let error: string | undefined;
    try {
      await this.#call(schedule, held, { dueMs, traceparent: formatTraceparent(context) });
    } catch (thrown) {
      error = errorText(thrown).slice(0, resultTextMax);
    }
    schedule.lastResult = error === undefined ? "succeeded" : `failed: ${error}`;
    onRun(error === undefined ? "succeeded" : "failed");
    const name = `${schedule.namespace}/${schedule.function}`;
    if (error !== undefined)
      log.warn("scheduled run failed", { function: name, cron: schedule.cron, reason: error });
    record(spanOf(schedule, context, { startMs, endMs: clock.nowMs(), error }), held.activation);
  }

  async #call(
    schedule: Schedule,
    held: { activation: Activation | undefined },
    { dueMs, traceparent }: { readonly dueMs: number; readonly traceparent: string },
  ): Promise<void> {
    if (schedule.revision === undefined) {
      throw new MeshError(
        "unavailable",
        `Cannot run ${schedule.function} on schedule: it has no ready revision`,
      );
    }
    const holder: LeaseHolder = { isOpen: true, onComing: () => undefined, onGone: () => undefined };
    held.activation = await this.#options.activate(`${schedule.namespace}/${schedule.revision}`, holder);
    const { instance } = held.activation;
    try {
      const timeoutMs = this.#options.runTimeoutMs;
      await instance.loaded.runScheduled({
        cron: schedule.cron,
        scheduledAtMs: dueMs,
        traceparent,
        timeoutMs,
      });
    } finally {
      this.#options.release(instance.id, holder);
    }
  }
}

function spanOf(
  schedule: Schedule,
  context: TraceContext,
  run: { readonly startMs: number; readonly endMs: number; readonly error: string | undefined },
): Span {
  return {
    traceId: context.traceId,
    spanId: context.spanId,
    parentSpanId: undefined,
    name: "scheduled",
    kind: "internal",
    attributes: { "lambient.function": schedule.function, "lambient.cron": schedule.cron },
    links: [],
    ...run,
  };
}

/**
 * The life of one supervised program: started, watched until it is ready, started again when it ends, stopped in order.
 * How a process is made and asked is behind {@link ProgramPort}; what the programs are is in program-plans.ts.
 *
 *     stopped ─start─▶ starting ─ready─▶ ready
 *        ▲               │  ▲              │
 *        │              end └──── delay ───┤ end
 *        │               ▼                 ▼
 *        └──stop── stopping ◀───stop─── waiting
 */
import type { Clock, Timer } from "#host/clock.ts";
import { MeshError } from "#host/mesh-error.ts";
import { type RestartLimits, restartDelayMs } from "./restart-delay.ts";

/** Where a program is in its life. */
export type ProgramState = "stopped" | "starting" | "ready" | "waiting" | "stopping";

/** A running process, as far as the supervisor cares. */
export interface ProgramProcess {
  readonly pid: number;
  /** How it ended, such as `exit code 1`; never rejects. */
  readonly ended: Promise<string>;
  /** Asks it to end. */
  terminate(): void;
  /** Ends it and everything it started. */
  kill(): void;
}

/** What a program needs of the world. */
export interface ProgramPort {
  start(): ProgramProcess;
  /** Whether it can do its work now; asked again and again while it starts. */
  isReady(): Promise<boolean>;
  /** The last thing it said, for the message when it never gets ready. */
  lastWords(): string;
}

/** How patient the supervisor is. */
export interface ProgramLimits extends RestartLimits {
  /** From start to ready; then it is killed and counted as ended. */
  readonly readyMs: number;
  /** Between two questions whether it is ready. */
  readonly askEveryMs: number;
  /** From asking it to end to killing it. */
  readonly stopMs: number;
}

/** What `lambient status` shows of a program. */
export interface ProgramStatus {
  readonly name: string;
  readonly state: ProgramState;
  readonly pid: number | undefined;
  readonly restarts: number;
  readonly startedAtMs: number | undefined;
  readonly lastEnd: string | undefined;
}

/** What a program is made from. */
export interface ProgramOptions {
  readonly name: string;
  readonly port: ProgramPort;
  readonly limits: ProgramLimits;
  readonly clock: Clock;
  /** Told of each change, for the supervisor's log. */
  readonly onChange: (event: string, status: ProgramStatus) => void;
}

/** A program under supervision. */
export class Program {
  readonly #options: ProgramOptions;
  #state: ProgramState = "stopped";
  #process: ProgramProcess | undefined;
  #timer: Timer | undefined;
  #starts = 0;
  #quickEnds = 0;
  #startedAtMs: number | undefined;
  #lastEnd: string | undefined;
  /** Why it was killed before it was ready. */
  #gaveUp: string | undefined;
  #firstReady = Promise.withResolvers<void>();
  #stopped: Promise<void> | undefined;

  constructor(options: ProgramOptions) {
    this.#options = options;
    this.#firstReady.promise.catch(() => {}); // told to whoever awaits start(); nobody may
  }

  get name(): string {
    return this.#options.name;
  }

  /**
   * Starts it and waits until it is ready for the first time; from then on it is kept running.
   * @throws MeshError `unavailable` when it ends, or is not ready in time, before that: it is not tried again then
   */
  start(): Promise<void> {
    if (this.#state === "stopped") this.#launch();
    return this.#firstReady.promise;
  }

  /** Asks it to end, kills it after the deadline; settles when it is gone. */
  stop(): Promise<void> {
    this.#stopped ??= this.#end();
    return this.#stopped;
  }

  status(): ProgramStatus {
    return {
      name: this.name,
      state: this.#state,
      pid: this.#process?.pid,
      restarts: Math.max(0, this.#starts - 1),
      startedAtMs: this.#process === undefined ? undefined : this.#startedAtMs,
      lastEnd: this.#lastEnd,
    };
  }

  #launch(): void {
    const { clock, port, limits } = this.#options;
    this.#starts++;
    this.#startedAtMs = clock.nowMs();
    this.#gaveUp = undefined;
    try {
      this.#process = port.start();
    } catch (error) {
      this.#onEnd(error instanceof Error ? error.message : String(error));
      return;
    }
    const process = this.#process;
    this.#change("starting", "program started");
    void process.ended.then((how) => this.#onEnd(how));
    this.#timer = clock.after(limits.readyMs, () => {
      if (this.#state !== "starting" || this.#process !== process) return;
      this.#gaveUp = `not ready within ${limits.readyMs} ms`;
      process.kill();
    });
    this.#ask(process);
  }

  #ask(process: ProgramProcess): void {
    const { clock, limits, port } = this.#options;
    void port.isReady().then((ready) => {
      if (this.#state !== "starting" || this.#process !== process) return;
      if (!ready) {
        clock.after(limits.askEveryMs, () => this.#ask(process));
        return;
      }
      this.#timer?.cancel();
      this.#change("ready", "program is ready");
      this.#firstReady.resolve();
    });
  }

  #onEnd(how: string): void {
    const { clock, limits, name, port } = this.#options;
    this.#timer?.cancel();
    this.#process = undefined;
    this.#lastEnd = this.#gaveUp ?? how;
    if (this.#state === "stopping") return;
    const wasQuick = clock.nowMs() - (this.#startedAtMs ?? 0) < limits.steadyMs;
    this.#quickEnds = wasQuick ? this.#quickEnds + 1 : 1;
    if (this.#starts === 1 && this.#state !== "ready") {
      this.#change("stopped", "program failed to start");
      const words = port.lastWords().trim();
      const said = words === "" ? "it said nothing" : `it said: ${words}`;
      this.#firstReady.reject(
        new MeshError("unavailable", `Cannot start ${name}: ${this.#lastEnd}; ${said}`),
      );
      return;
    }
    const delayMs = restartDelayMs(this.#quickEnds, limits);
    this.#change("waiting", "program ended");
    this.#timer = clock.after(delayMs, () => this.#launch());
  }

  async #end(): Promise<void> {
    const process = this.#process;
    this.#timer?.cancel();
    this.#firstReady.reject(new MeshError("canceled", `Cannot start ${this.name}: the mesh is stopping`));
    this.#change("stopping", "program is stopping");
    if (process !== undefined) {
      const deadline = this.#options.clock.after(this.#options.limits.stopMs, () => process.kill());
      process.terminate();
      await process.ended;
      deadline.cancel();
    }
    this.#change("stopped", "program stopped");
  }

  #change(state: ProgramState, event: string): void {
    this.#state = state;
    this.#options.onChange(event, this.status());
  }
}

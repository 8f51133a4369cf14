/** Keeps one generic waypoint booted, so that waking a group costs no boot. */
import { type Backoff, backoffMs } from "#core/scale/backoff.ts";
import type { Clock, Timer } from "#host/clock.ts";
import type { Log } from "#host/log.ts";
import { errorText, MeshError } from "#host/mesh-error.ts";
import type { StartWaypoint, WaypointProcess } from "./waypoint-port.ts";

/** What the pool needs. */
export interface GenericPoolOptions {
  readonly start: StartWaypoint;
  readonly clock: Clock;
  readonly log: Log;
  /** Between boots that fail. */
  readonly backoff: Backoff;
  /** How long after one was taken the next boots: the one that wakes needs the cores first. */
  readonly refillDelayMs: number;
}

/** See the file's opening. */
export class GenericPool {
  readonly #options: GenericPoolOptions;
  #spare: Promise<WaypointProcess> | undefined;
  #timer: Timer | undefined;
  #failures = 0;
  #isClosed = false;
  #hasBooted = false;

  constructor(options: GenericPoolOptions) {
    this.#options = options;
  }

  /** Whether there is one that has booted. */
  get hasSpare(): boolean {
    return this.#spare !== undefined && this.#hasBooted;
  }

  /** Boots the spare one unless there is one. */
  fill(): void {
    if (this.#isClosed || this.#spare !== undefined || this.#timer !== undefined) return;
    const spare = this.#boot();
    this.#spare = spare;
    this.#hasBooted = false;
    spare.then(
      (process) => {
        if (this.#spare === spare) this.#hasBooted = true;
        this.#watch(spare, process);
      },
      () => this.#retryLater(spare),
    );
  }

  /** The spare one, booted now where there is none; another one takes its place. @throws MeshError when it does not boot */
  async take(): Promise<WaypointProcess> {
    if (this.#isClosed) throw new MeshError("unavailable", "Cannot wake a waypoint: the node runtime stops");
    const taken = this.#spare ?? this.#boot();
    this.#spare = undefined;
    try {
      return await taken;
    } finally {
      this.#fillAfter(this.#options.refillDelayMs);
    }
  }

  /** Ends the spare one. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#timer?.cancel();
    const spare = await this.#spare?.catch(() => undefined);
    await spare?.stop();
  }

  async #boot(): Promise<WaypointProcess> {
    try {
      const process = await this.#options.start();
      this.#failures = 0;
      return process;
    } catch (error) {
      this.#failures++;
      this.#options.log.error("waypoint does not boot", {
        error: errorText(error),
        failures: this.#failures,
      });
      throw error;
    }
  }

  #watch(spare: Promise<WaypointProcess>, process: WaypointProcess): void {
    void process.ended.then(() => {
      if (this.#spare !== spare) return; // it was taken: its taker sees its end
      this.#failures++;
      this.#retryLater(spare);
    });
  }

  #retryLater(spare: Promise<WaypointProcess>): void {
    if (this.#spare === spare) this.#spare = undefined;
    this.#fillAfter(backoffMs(this.#options.backoff, this.#failures));
  }

  #fillAfter(delayMs: number): void {
    if (this.#isClosed || this.#timer !== undefined) return;
    this.#timer = this.#options.clock.after(delayMs, () => {
      this.#timer = undefined;
      this.fill();
    });
  }
}

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
}

/** See the file's opening. */
export class GenericPool {
  readonly #options: GenericPoolOptions;
  #spare: Promise<WaypointProcess> | undefined;
  #retry: Timer | undefined;
  #failures = 0;
  #isClosed = false;

  constructor(options: GenericPoolOptions) {
    this.#options = options;
  }

  /** Boots the spare one unless there is one. */
  fill(): void {
    if (this.#isClosed || this.#spare !== undefined || this.#retry !== undefined) return;
    const spare = this.#boot();
    this.#spare = spare;
    spare.then(
      (process) => this.#watch(spare, process),
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
      this.fill();
    }
  }

  /** Ends the spare one. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#retry?.cancel();
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
    if (this.#isClosed || this.#retry !== undefined) return;
    this.#retry = this.#options.clock.after(backoffMs(this.#options.backoff, this.#failures), () => {
      this.#retry = undefined;
      this.fill();
    });
  }
}

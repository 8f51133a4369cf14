/**
 * One gateway's waypoint on this node, whether it runs or not: its listener, and the process that serves it.
 *
 *   asleep --a connection waits--> waking --it accepts--> awake --idle--> asleep
 *     ^                              |                      |
 *     +------------delay-------------+--------crash---------+
 */
import { type Backoff, backoffMs } from "#core/scale/backoff.ts";
import type { Clock, Timer } from "#host/clock.ts";
import type { Log } from "#host/log.ts";
import { errorText } from "#host/mesh-error.ts";
import type { OpenListener, WatchedListener, WaypointProcess } from "./waypoint-port.ts";

/** A gateway that this node serves. */
export interface WaypointGateway {
  readonly namespace: string;
  readonly name: string;
  readonly address: string;
}

/** What a waypoint needs. */
export interface SleepingWaypointOptions {
  readonly gateway: WaypointGateway;
  readonly take: () => Promise<WaypointProcess>;
  readonly openListener: OpenListener;
  readonly ownerPid: number;
  readonly clock: Clock;
  readonly log: Log;
  /** Between a crash, or a failed bind, and the next attempt. */
  readonly backoff: Backoff;
  readonly onWake: (result: "awake" | "failed", tookMs: number) => void;
}

/** Where it is. */
export type WaypointState = "asleep" | "waking" | "awake" | "waiting" | "closed";

/** One that served this long has recovered: a later crash counts as the first. */
const steadyMs = 10_000;

/** See the file's opening. */
export class SleepingWaypoint {
  readonly #options: SleepingWaypointOptions;
  readonly #name: string;
  #listener: WatchedListener | undefined;
  #state: WaypointState = "waiting";
  #process: WaypointProcess | undefined;
  #timer: Timer | undefined;
  #failures = 0;
  #awakeSinceMs = 0;

  constructor(options: SleepingWaypointOptions) {
    this.#options = options;
    this.#name = `${options.gateway.namespace}/${options.gateway.name}`;
    this.#sleep();
  }

  get state(): WaypointState {
    return this.#state;
  }

  get gateway(): WaypointGateway {
    return this.#options.gateway;
  }

  /** The process that serves it, while there is one. */
  get pid(): number | undefined {
    return this.#process?.pid;
  }

  /** Ends it: connections that wait are closed. */
  async close(): Promise<void> {
    this.#state = "closed";
    this.#timer?.cancel();
    this.#listener?.close();
    await this.#process?.stop();
  }

  #sleep(): void {
    if (this.#state === "closed") return;
    try {
      this.#listener ??= this.#options.openListener(this.#options.gateway.address, () => void this.#wake());
      this.#state = "asleep";
      this.#listener.arm();
    } catch (error) {
      this.#options.log.error("waypoint has no listener", { waypoint: this.#name, error: errorText(error) });
      this.#sleepLater();
    }
  }

  #sleepLater(): void {
    if (this.#state === "closed") return;
    this.#failures++;
    this.#state = "waiting";
    const delayMs = backoffMs(this.#options.backoff, this.#failures);
    this.#timer = this.#options.clock.after(delayMs, () => this.#sleep());
  }

  async #wake(): Promise<void> {
    const { gateway, take, ownerPid, clock, log, onWake } = this.#options;
    const listener = this.#listener;
    if (this.#state !== "asleep" || listener === undefined) return;
    this.#state = "waking";
    const beganMs = clock.monotonicMs();
    try {
      const process = await take();
      this.#process = process;
      if (this.#isClosed()) return await process.stop();
      void process.ended.then((end) => this.#onEnd(process, end.kind === "gone" ? end.reason : undefined));
      await process.specialise({ ...gateway, listenerFd: listener.fd, ownerPid });
      if (this.#process !== process || this.#isClosed()) return; // it ended meanwhile, which is told already
      this.#state = "awake";
      this.#awakeSinceMs = clock.monotonicMs();
      const tookMs = this.#awakeSinceMs - beganMs;
      log.info("waypoint awake", {
        waypoint: this.#name,
        pid: process.pid,
        tookMs: Math.round(tookMs * 10) / 10,
      });
      onWake("awake", tookMs);
    } catch (error) {
      log.error("waypoint does not wake", { waypoint: this.#name, error: errorText(error) });
      onWake("failed", clock.monotonicMs() - beganMs);
      const failed = this.#process;
      this.#process = undefined;
      await failed?.stop();
      this.#sleepLater();
    }
  }

  /** @param crash why the process is gone; absent when it fell asleep */
  #onEnd(process: WaypointProcess, crash: string | undefined): void {
    if (this.#process !== process) return; // another one serves already, or none should
    this.#process = undefined;
    if (this.#isClosed()) return;
    const { clock, log } = this.#options;
    if (this.#state === "awake" && clock.monotonicMs() - this.#awakeSinceMs >= steadyMs) this.#failures = 0;
    if (crash === undefined) {
      log.info("waypoint asleep", { waypoint: this.#name });
      this.#failures = 0;
      return this.#sleep();
    }
    log.warn("waypoint gone", { waypoint: this.#name, reason: crash });
    this.#sleepLater();
  }

  /** The state as it is now, whatever an earlier check has shown. */
  #isClosed(): boolean {
    return this.#state === "closed";
  }
}

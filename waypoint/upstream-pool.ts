/** Idle HTTP/1 connections by destination and original caller: one caller's never carries another's request. */
import type { TraceContext } from "#core/telemetry/trace-context.ts";
import type { Clock } from "#host/clock.ts";
import type { ByteStream } from "#host/byte-stream.ts";
import { UpstreamConnection } from "./upstream-connection.ts";

/** Bounds of what is kept. */
export interface UpstreamPoolOptions {
  readonly clock: Clock;
  /** Idle connections kept for one destination and caller. */
  readonly idlePerKeyMax: number;
  /** Idle connections kept in all. */
  readonly idleMax: number;
  /** How long one is kept without a request. */
  readonly idleMs: number;
}

interface Idle {
  readonly connection: UpstreamConnection;
  readonly sinceMs: number;
}

/** See the file's first line. */
export class UpstreamPool {
  readonly #options: UpstreamPoolOptions;
  /** Destination → caller → idle connections, the last used last. */
  readonly #idle = new Map<string, Map<string, Idle[]>>();
  /** Connections made in an earlier generation are not kept. */
  #generation = 0;
  #idleCount = 0;
  #willSweep = false;

  constructor(options: UpstreamPoolOptions) {
    this.#options = options;
  }

  /** Connections that wait for a request. */
  get idleCount(): number {
    return this.#idleCount;
  }

  /** An idle connection of this caller to the destination. */
  take(destination: string, caller: string): UpstreamConnection | undefined {
    const list = this.#idle.get(destination)?.get(caller);
    for (let idle = list?.pop(); idle !== undefined; idle = list?.pop()) {
      this.#idleCount--;
      if (idle.connection.isIdle) return idle.connection;
    }
    return undefined;
  }

  /** Makes a connection of a stream; it comes back here whenever it is idle. */
  adopt(
    opened: { readonly stream: ByteStream; readonly context: TraceContext },
    destination: string,
    caller: string,
  ): UpstreamConnection {
    const generation = this.#generation;
    return new UpstreamConnection(opened.stream, opened.context, {
      onIdle: (idle) => {
        if (generation === this.#generation) this.#keep(idle, destination, caller);
        else idle.close();
      },
      onClosed: (closed) => this.#forget(closed, destination, caller),
    });
  }

  /** Closes the destination's idle connections; those in use end by themselves. */
  closeIdleOf(destination: string): void {
    const callers = this.#idle.get(destination);
    this.#idle.delete(destination);
    for (const list of callers?.values() ?? []) {
      this.#idleCount -= list.length;
      for (const { connection } of list) connection.close();
    }
  }

  /** Closes idle connections now and those in use after their request: what they run on is out of date. */
  retire(): void {
    this.#generation++;
    this.closeIdle();
  }

  /** Closes every idle connection. */
  closeIdle(): void {
    for (const destination of this.#idle.keys()) this.closeIdleOf(destination);
  }

  #keep(connection: UpstreamConnection, destination: string, caller: string): void {
    const callers = this.#idle.get(destination) ?? new Map<string, Idle[]>();
    const list = callers.get(caller) ?? [];
    if (this.#idleCount >= this.#options.idleMax || list.length >= this.#options.idlePerKeyMax)
      return connection.close();
    list.push({ connection, sinceMs: this.#options.clock.monotonicMs() });
    callers.set(caller, list);
    this.#idle.set(destination, callers);
    this.#idleCount++;
    this.#sweepLater();
  }

  #forget(connection: UpstreamConnection, destination: string, caller: string): void {
    const list = this.#idle.get(destination)?.get(caller) ?? [];
    const at = list.findIndex((idle) => idle.connection === connection);
    if (at < 0) return;
    list.splice(at, 1);
    this.#idleCount--;
  }

  #sweepLater(): void {
    if (this.#willSweep) return;
    this.#willSweep = true;
    this.#options.clock.after(this.#options.idleMs, () => {
      this.#willSweep = false;
      this.#sweep();
      if (this.#idleCount > 0) this.#sweepLater();
    });
  }

  #sweep(): void {
    const untilMs = this.#options.clock.monotonicMs() - this.#options.idleMs;
    for (const [destination, callers] of this.#idle) {
      for (const [caller, list] of callers) {
        // The oldest are first: those used last are taken first.
        while (list[0] !== undefined && list[0].sinceMs <= untilMs) list[0].connection.close();
        if (list.length === 0) callers.delete(caller);
      }
      if (callers.size === 0) this.#idle.delete(destination);
    }
  }
}

/** Every caller's connection of the program: bounded in number, closed when idle for long, cut when its caller is no longer allowed. */
import type { ByteStream } from "#host/byte-stream.ts";
import type { Clock } from "#host/clock.ts";
import type { Exchange } from "./exchange.ts";
import type { ConnectionPorts } from "./connection-ports.ts";
import { HttpConnection } from "./http-connection.ts";

/** Bounds. */
export interface ConnectionsOptions {
  readonly clock: Clock;
  readonly connectionsMax: number;
  /** How long one may be without a request, a half-sent head included. */
  readonly idleMs: number;
}

/** See the file's first line. */
export class Connections {
  readonly #options: ConnectionsOptions;
  readonly #open = new Set<HttpConnection>();
  #willSweep = false;

  constructor(options: ConnectionsOptions) {
    this.#options = options;
  }

  get count(): number {
    return this.#open.size;
  }

  get isFull(): boolean {
    return this.#open.size >= this.#options.connectionsMax;
  }

  /** Serves requests on a stream. */
  serve(stream: ByteStream, ports: Omit<ConnectionPorts, "onClose" | "clock">): void {
    const connection: HttpConnection = new HttpConnection(stream, {
      ...ports,
      clock: this.#options.clock,
      onClose: () => void this.#open.delete(connection),
    });
    this.#open.add(connection);
    this.#sweepLater();
  }

  /** Closes each connection once it has no request under way. */
  drain(): void {
    for (const connection of this.#open) connection.drain();
  }

  /** Resets every connection. */
  cut(): void {
    for (const connection of this.#open) connection.cut();
  }

  /** Cuts those whose exchange is no longer admitted. */
  cutDenied(isDenied: (exchange: Exchange) => boolean): void {
    for (const connection of this.#open) {
      const { exchange } = connection;
      if (exchange !== undefined && isDenied(exchange)) connection.cut();
    }
  }

  #sweepLater(): void {
    if (this.#willSweep) return;
    this.#willSweep = true;
    this.#options.clock.after(this.#options.idleMs / 2, () => {
      this.#willSweep = false;
      const untilMs = this.#options.clock.monotonicMs() - this.#options.idleMs;
      for (const connection of this.#open) {
        if (connection.idleSinceMs !== undefined && connection.idleSinceMs <= untilMs) connection.expire();
      }
      if (this.#open.size > 0) this.#sweepLater();
    });
  }
}

/** The tunnels of one key of the pool: which has room, who waits for the next one, when an idle one goes. */
import type { HeaderField } from "#core/h2/header-field.ts";
import type { Clock, Timer } from "../clock.ts";
import { TunnelError } from "./tunnel-error.ts";
import type { TunnelKey } from "./tunnel-key.ts";
import type { ConnectOutcome, Tunnel } from "./tunnel.ts";

/** The limits that concern one key. */
export interface PooledLimits {
  readonly tunnelsPerKeyMax: number;
  readonly idleReleaseMs: number;
  readonly clock: Clock;
}

/** An open tunnel and its idle timer. */
interface Pooled {
  readonly tunnel: Tunnel;
  idle: Timer | undefined;
}

/** Turns a caller waits for a tunnel of others' before it gives up: each turn at least one stream was opened. */
const turnsMax = 64;

/** See the file's head. */
export class PooledTunnels {
  readonly key: TunnelKey;
  readonly #limits: PooledLimits;
  readonly #tunnels: Pooled[] = [];
  #opening: Promise<unknown> | undefined;
  #isReleased = false;
  #isDraining = false;

  constructor(key: TunnelKey, limits: PooledLimits) {
    this.key = key;
    this.#limits = limits;
  }

  get isEmpty(): boolean {
    return this.#tunnels.length === 0 && this.#opening === undefined;
  }

  /** Whether the key was closed: nothing more is opened. */
  get isReleased(): boolean {
    return this.#isReleased;
  }

  /** Opens a stream where there is room, on a new tunnel if need be; one tunnel is made at a time. */
  async connect(open: () => Promise<Tunnel>, headers: readonly HeaderField[]): Promise<ConnectOutcome> {
    for (let turn = 0; ; turn++) {
      if (this.#isReleased)
        throw new TunnelError("closed", "Cannot open a stream: its source or destination was released");
      const ready = this.#tunnels.find(({ tunnel }) => tunnel.isReady);
      if (ready !== undefined) return await this.#connectOn(ready, headers);
      if (turn === turnsMax)
        throw new TunnelError("exhausted", "Cannot open a stream: others took the room of every tunnel made");
      if (this.#opening === undefined) this.#opening = this.#add(open);
      await this.#opening;
    }
  }

  /** Makes a tunnel ahead of its first stream, unless one is there or on its way; a stream that waits for one that fails makes its own. */
  async prepare(open: () => Promise<Tunnel>): Promise<void> {
    if (this.#isReleased || !this.isEmpty) return;
    this.#opening = this.#add(open).catch(() => undefined);
    await this.#opening;
  }

  drain(): void {
    this.#isDraining = true;
    for (const { tunnel } of this.#tunnels.slice()) tunnel.drain();
  }

  close(): void {
    this.#isReleased = true;
    for (const { tunnel } of this.#tunnels.slice()) tunnel.close();
  }

  #connectOn(pooled: Pooled, headers: readonly HeaderField[]): Promise<ConnectOutcome> {
    pooled.idle?.cancel();
    pooled.idle = undefined;
    return pooled.tunnel.connect(headers);
  }

  async #add(open: () => Promise<Tunnel>): Promise<void> {
    try {
      if (this.#tunnels.length >= this.#limits.tunnelsPerKeyMax) {
        throw new TunnelError(
          "exhausted",
          `Cannot open a tunnel beyond ${this.#limits.tunnelsPerKeyMax} to one destination: all are full`,
        );
      }
      const tunnel = await open();
      this.#keep(tunnel);
    } finally {
      this.#opening = undefined;
    }
  }

  #keep(tunnel: Tunnel): void {
    const pooled: Pooled = { tunnel, idle: undefined };
    this.#tunnels.push(pooled);
    tunnel.onStreamsChanged(() => this.#planRelease(pooled));
    tunnel.onClose(() => {
      pooled.idle?.cancel();
      const at = this.#tunnels.indexOf(pooled);
      if (at >= 0) this.#tunnels.splice(at, 1);
    });
    this.#planRelease(pooled);
    if (this.#isReleased) tunnel.close();
    else if (this.#isDraining) this.#drainSoon(tunnel);
  }

  /** Those who waited for this tunnel open their streams first: their promises settle before an immediate runs. */
  #drainSoon(tunnel: Tunnel): void {
    setImmediate(() => tunnel.drain());
  }

  #planRelease(pooled: Pooled): void {
    pooled.idle?.cancel();
    pooled.idle = undefined;
    const { tunnel } = pooled;
    if (tunnel.streamsOpen > 0) return;
    pooled.idle = this.#limits.clock.after(this.#limits.idleReleaseMs, () => {
      if (tunnel.streamsOpen === 0) tunnel.close();
    });
  }
}

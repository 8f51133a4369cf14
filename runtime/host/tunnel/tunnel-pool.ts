/** Shares tunnels between connections of the same source to the same destination; never between two sources. */
import type { HeaderField } from "#core/h2/header-field.ts";
import { type Clock, systemClock } from "../clock.ts";
import { openTunnel, type TunnelDial } from "./open-tunnel.ts";
import { PooledTunnels } from "./pooled-tunnels.ts";
import { TunnelError } from "./tunnel-error.ts";
import { type TunnelKey, tunnelKeyText } from "./tunnel-key.ts";
import type { TunnelLimits } from "./tunnel-limits.ts";
import type { ConnectOutcome, Tunnel, TunnelCertificate } from "./tunnel.ts";

/** How the pool makes a new tunnel for a key, asked when it needs one. */
export interface TunnelRoute {
  readonly certificate: TunnelCertificate;
  readonly dial: () => TunnelDial | Promise<TunnelDial>;
}

/** Limits of a pool. */
export interface TunnelPoolOptions {
  /** Streams on one tunnel before another is made, 100; the peer's own limit holds as well. */
  readonly streamsPerTunnelMax?: number;
  /** Tunnels for one key, 64. */
  readonly tunnelsPerKeyMax?: number;
  /** Tunnels in the whole pool, 4096. */
  readonly tunnelsMax?: number;
  /** How long a tunnel without streams is kept, 5 minutes. */
  readonly idleReleaseMs?: number;
  readonly limits?: Partial<TunnelLimits>;
  readonly clock?: Clock;
  /** How a tunnel is opened; another only in tests. */
  readonly open?: typeof openTunnel;
}

/** Tunnels by key. */
export interface TunnelPool {
  readonly tunnelsOpen: number;
  /**
   * Opens a stream on a tunnel of the key, making the tunnel when there is none with room.
   * Tries once more when the peer never processed the stream.
   * @throws TunnelError (rejects), as `openTunnel` and `Tunnel.connect` do, or `exhausted` at a limit.
   */
  connect(key: TunnelKey, route: TunnelRoute, headers: readonly HeaderField[]): Promise<ConnectOutcome>;
  /**
   * Makes a tunnel of the key ahead of its first stream, unless there is one or one is being made.
   * A failure is told to nobody: the first stream tries for itself.
   */
  prepare(key: TunnelKey, route: TunnelRoute): void;
  /** Drains the tunnels whose key matches (GOAWAY, close after the last stream): a renewed certificate, a changed route. */
  drain(matches: (key: TunnelKey) => boolean): void;
  /** Closes the tunnels whose key matches at once: the release of a source or a destination. */
  close(matches: (key: TunnelKey) => boolean): void;
}

const defaults = {
  streamsPerTunnelMax: 100,
  tunnelsPerKeyMax: 64,
  tunnelsMax: 4096,
  idleReleaseMs: 300_000,
};

/** Makes an empty pool. */
export function makeTunnelPool(options: TunnelPoolOptions = {}): TunnelPool {
  return new KeyedPool(options);
}

class KeyedPool implements TunnelPool {
  readonly #options: Required<Omit<TunnelPoolOptions, "limits">> & { readonly limits: Partial<TunnelLimits> };
  readonly #entries = new Map<string, PooledTunnels>();
  #tunnelsOpen = 0;

  constructor(options: TunnelPoolOptions) {
    const { streamsPerTunnelMax } = { ...defaults, ...options };
    this.#options = {
      ...defaults,
      clock: systemClock,
      open: openTunnel,
      ...options,
      limits: { ...options.limits, streamsMax: streamsPerTunnelMax },
    };
  }

  get tunnelsOpen(): number {
    return this.#tunnelsOpen;
  }

  async connect(
    key: TunnelKey,
    route: TunnelRoute,
    headers: readonly HeaderField[],
  ): Promise<ConnectOutcome> {
    const entry = this.#entryOf(key);
    try {
      return await entry.connect(() => this.#open(key, route), headers);
    } catch (error) {
      if (!(error instanceof TunnelError) || !error.isRetryable || entry.isReleased) throw error;
      return await entry.connect(() => this.#open(key, route), headers);
    } finally {
      if (entry.isEmpty) this.#entries.delete(tunnelKeyText(key));
    }
  }

  prepare(key: TunnelKey, route: TunnelRoute): void {
    const entry = this.#entryOf(key);
    void entry
      .prepare(() => this.#open(key, route))
      .finally(() => {
        if (entry.isEmpty) this.#entries.delete(tunnelKeyText(key));
      });
  }

  drain(matches: (key: TunnelKey) => boolean): void {
    for (const entry of this.#take(matches)) entry.drain();
  }

  close(matches: (key: TunnelKey) => boolean): void {
    for (const entry of this.#take(matches)) entry.close();
  }

  /** Matching entries leave the pool at once: what comes next makes tunnels of its own. */
  #take(matches: (key: TunnelKey) => boolean): PooledTunnels[] {
    const taken: PooledTunnels[] = [];
    for (const [text, entry] of this.#entries) {
      if (!matches(entry.key)) continue;
      this.#entries.delete(text);
      taken.push(entry);
    }
    return taken;
  }

  #entryOf(key: TunnelKey): PooledTunnels {
    const text = tunnelKeyText(key);
    let entry = this.#entries.get(text);
    if (entry === undefined) {
      entry = new PooledTunnels(key, this.#options);
      this.#entries.set(text, entry);
    }
    return entry;
  }

  async #open(key: TunnelKey, route: TunnelRoute): Promise<Tunnel> {
    const { tunnelsMax, limits, clock, open } = this.#options;
    if (this.#tunnelsOpen >= tunnelsMax) {
      throw new TunnelError(
        "exhausted",
        `Cannot open a tunnel beyond the pool's ${tunnelsMax}: release some, or raise tunnelsMax`,
      );
    }
    this.#tunnelsOpen++;
    const release = (): void => {
      this.#tunnelsOpen--;
      const text = tunnelKeyText(key);
      if (this.#entries.get(text)?.isEmpty === true) this.#entries.delete(text);
    };
    try {
      const dial = await route.dial();
      const tunnel = await open({
        dial,
        certificate: route.certificate,
        expectedPeers: new Set(key.destinations),
        limits,
        clock,
      });
      tunnel.onClose(release);
      return tunnel;
    } catch (error) {
      release();
      throw error;
    }
  }
}

/** Time as a port: what may wait or tell the hour takes one, so that tests can step it. */

/** A timer that can be called off. */
export interface Timer {
  /** Calls it off; harmless after it fired. */
  cancel(): void;
}

/** The time, and waking up later. */
export interface Clock {
  /** Milliseconds since the epoch, with fractions. */
  nowMs(): number;
  /** Milliseconds of a clock that never goes back, with fractions; only differences mean something. */
  monotonicMs(): number;
  /** Calls `action` once, no earlier than `delayMs` from now. */
  after(delayMs: number, action: () => void): Timer;
}

/** The machine's clock. Its timers do not keep a process alive by themselves. */
export const systemClock: Clock = {
  nowMs: () => performance.timeOrigin + performance.now(),
  monotonicMs: () => performance.now(),
  after(delayMs, action) {
    const handle = setTimeout(action, delayMs);
    handle.unref();
    return { cancel: () => clearTimeout(handle) };
  },
};

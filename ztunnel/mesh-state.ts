/** The current snapshot of the mesh, who is told when it changes, and bounded waiting for what it will hold. */
import { emptySnapshot, type Snapshot, type SnapshotChanges, withChanges } from "#core/mesh/snapshot.ts";
import type { Clock } from "#host/clock.ts";

/** Holds the mesh as it is known now. Readers take the snapshot once a connection. */
export interface MeshState {
  readonly snapshot: Snapshot;
  change(changes: SnapshotChanges): void;
  /** Calls back after each change, with what changed. */
  onChange(listener: (changes: SnapshotChanges) => void): void;
  /** Calls back as if something had changed, for facts beside the snapshot that waiters look at. */
  touch(): void;
  /** Waits until the test holds. @returns false when it did not in time, or when too many wait already. */
  waitUntil(test: () => boolean, timeoutMs: number): Promise<boolean>;
}

/** Connections that may wait at once; each holds a stream and a socket. */
const waitersMax = 1024;

/** Makes a state that knows nothing. */
export function makeMeshState(clock: Clock): MeshState {
  return new State(clock);
}

interface Waiter {
  readonly test: () => boolean;
  readonly done: (held: boolean) => void;
}

class State implements MeshState {
  snapshot: Snapshot = emptySnapshot;
  readonly #clock: Clock;
  readonly #listeners: ((changes: SnapshotChanges) => void)[] = [];
  readonly #waiters = new Set<Waiter>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  change(changes: SnapshotChanges): void {
    this.snapshot = withChanges(this.snapshot, changes);
    for (const listener of this.#listeners) listener(changes);
    this.touch();
  }

  onChange(listener: (changes: SnapshotChanges) => void): void {
    this.#listeners.push(listener);
  }

  touch(): void {
    for (const waiter of this.#waiters) if (waiter.test()) waiter.done(true);
  }

  waitUntil(test: () => boolean, timeoutMs: number): Promise<boolean> {
    if (test()) return Promise.resolve(true);
    if (this.#waiters.size >= waitersMax) return Promise.resolve(false);
    return new Promise((resolve) => {
      const waiter: Waiter = {
        test,
        done: (held) => {
          this.#waiters.delete(waiter);
          timer.cancel();
          resolve(held);
        },
      };
      const timer = this.#clock.after(timeoutMs, () => waiter.done(false));
      this.#waiters.add(waiter);
    });
  }
}

/** The newest changes, and everybody who waits for more: bounded in both, so that neither a long history nor a slow watcher grows. */
import { matchesFields, type FieldSelector } from "./field-selector.ts";
import { matchesLabels, type LabelSelector } from "./label-selector.ts";
import type { Change } from "./object-store.ts";

/** How much is kept. */
export interface WatchLimits {
  /** Changes kept for watches that continue from an older version. */
  readonly historyEventsMax: number;
  readonly historyBytesMax: number;
  /** Changes a watcher may be behind; one that is further behind is cut and continues from where it was. */
  readonly queueEventsMax: number;
  readonly queueBytesMax: number;
  /** Watchers at once. */
  readonly watchersMax: number;
}

/** Limits for one machine. */
export const defaultWatchLimits: WatchLimits = {
  historyEventsMax: 10_000,
  historyBytesMax: 16 << 20,
  queueEventsMax: 10_000,
  queueBytesMax: 16 << 20,
  watchersMax: 1000,
};

/** Which changes a watcher is told. */
export interface WatchScope {
  readonly group: string;
  readonly resource: string;
  /** Absent: all namespaces. */
  readonly namespace?: string;
  readonly labels: LabelSelector;
  readonly fields: FieldSelector;
}

/** A change as one watcher sees it: with a label selector, coming to match is an arrival and ceasing to is a departure. */
export interface Sighting {
  readonly type: "ADDED" | "MODIFIED" | "DELETED";
  readonly version: number;
  readonly text: string;
}

/** One who waits for changes. */
export class Watcher {
  readonly scope: WatchScope;
  readonly #limits: WatchLimits;
  readonly #onClose: (watcher: Watcher) => void;
  #queue: Sighting[] = [];
  #queuedBytes = 0;
  #wake: (() => void) | undefined;
  #open = true;

  constructor(scope: WatchScope, limits: WatchLimits, onClose: (watcher: Watcher) => void) {
    this.scope = scope;
    this.#limits = limits;
    this.#onClose = onClose;
  }

  /** False once it was closed or cut. */
  get isOpen(): boolean {
    return this.#open;
  }

  /** Whether changes wait to be taken. */
  get hasQueued(): boolean {
    return this.#queue.length > 0;
  }

  /** Everything that waits; empty when nothing does. */
  take(): readonly Sighting[] {
    const taken = this.#queue;
    this.#queue = [];
    this.#queuedBytes = 0;
    return taken;
  }

  /** Resolves when something waits or the watcher is closed. One caller at a time. */
  wait(): Promise<void> {
    if (!this.#open || this.#queue.length > 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  /** Queues a change if it is in scope; cuts the watcher when it is too far behind. */
  offer(change: Change): void {
    const sighting = sight(this.scope, change);
    if (sighting === undefined || !this.#open) return;
    this.#queue.push(sighting);
    this.#queuedBytes += sighting.text.length;
    if (this.#queue.length > this.#limits.queueEventsMax || this.#queuedBytes > this.#limits.queueBytesMax) {
      this.close();
      return;
    }
    this.wake();
  }

  /** Lets a waiting caller look again. */
  wake(): void {
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
  }

  /** Ends it and drops what waits; harmless when it has ended. */
  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.take();
    this.#onClose(this);
    this.wake();
  }
}

/** Keeps the history and hands changes on. */
export class WatchHub {
  readonly #limits: WatchLimits;
  readonly #watchers = new Map<string, Set<Watcher>>();
  #history: Change[] = [];
  #historyStart = 0;
  #historyBytes = 0;
  #floor: number;
  #count = 0;

  /** @param version Version of the store at the start: nothing older can be watched from. */
  constructor(version: number, limits: WatchLimits = defaultWatchLimits) {
    this.#floor = version;
    this.#limits = limits;
  }

  /** Oldest version that a watch can continue from. */
  get floor(): number {
    return this.#floor;
  }

  /** Forgets what came before a version: what an opening API did is nobody's to watch. */
  forgetBefore(version: number): void {
    this.#history = [];
    this.#historyStart = 0;
    this.#historyBytes = 0;
    this.#floor = version;
  }

  /** How many watch. */
  get watchers(): number {
    return this.#count;
  }

  /** Tells committed changes to all who watch. */
  publish(changes: readonly Change[]): void {
    for (const change of changes) {
      this.#history.push(change);
      this.#historyBytes += change.text.length;
      for (const watcher of this.#watchers.get(scopeKey(change)) ?? []) watcher.offer(change);
    }
    this.#forget();
  }

  /**
   * Starts a watch after a version, which must not be below `floor`.
   * @returns undefined when too many watch already.
   */
  open(scope: WatchScope, after: number): Watcher | undefined {
    if (this.#count >= this.#limits.watchersMax) return undefined;
    const key = scopeKey(scope);
    const watcher = new Watcher(scope, this.#limits, (closed) => {
      this.#count--;
      this.#watchers.get(key)?.delete(closed);
      if (this.#watchers.get(key)?.size === 0) this.#watchers.delete(key);
    });
    this.#count++;
    const peers = this.#watchers.get(key) ?? new Set();
    this.#watchers.set(key, peers.add(watcher));
    for (let i = this.#historyStart; i < this.#history.length; i++) {
      const change = this.#history[i];
      if (change !== undefined && change.version > after && scopeKey(change) === key) watcher.offer(change);
    }
    return watcher;
  }

  /** Ends every watch. */
  close(): void {
    for (const watchers of this.#watchers.values()) for (const watcher of watchers) watcher.close();
  }

  #forget(): void {
    while (
      this.#history.length - this.#historyStart > this.#limits.historyEventsMax ||
      this.#historyBytes > this.#limits.historyBytesMax
    ) {
      const oldest = this.#history[this.#historyStart++];
      if (oldest === undefined) break;
      this.#historyBytes -= oldest.text.length;
      this.#floor = oldest.version;
    }
    // Cut off only now and then: shifting an array by one costs its length.
    if (this.#historyStart > 1024 && this.#historyStart * 2 > this.#history.length) {
      this.#history = this.#history.slice(this.#historyStart);
      this.#historyStart = 0;
    }
  }
}

/** What a watcher of a scope sees of a change, if anything. */
export function sight(scope: WatchScope, change: Change): Sighting | undefined {
  if (scope.namespace !== undefined && scope.namespace !== change.namespace) return undefined;
  if (!matchesFields(scope.fields, change.name, change.namespace)) return undefined;
  const { version, text } = change;
  const isIn = change.type !== "DELETED" && matchesLabels(scope.labels, change.labels);
  const wasIn = change.type !== "ADDED" && matchesLabels(scope.labels, change.labelsBefore);
  if (isIn) return { type: wasIn ? "MODIFIED" : "ADDED", version, text };
  return wasIn ? { type: "DELETED", version, text } : undefined;
}

function scopeKey(scope: { readonly group: string; readonly resource: string }): string {
  return `${scope.resource}.${scope.group}`;
}

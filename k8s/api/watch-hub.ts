/**
 * The newest changes, and everybody who waits for more. There is one bounded history and no queue per watcher: each
 * holds its place in the history, so that a slow one costs nothing, and is cut once the history has forgotten its place.
 *
 * The history is in memory only: a table of it would double every write, to spare each watcher one list after a
 * restart. A watch from an older version is Expired then, one from the very last version goes on.
 */
import { type FieldFacts, type FieldSelector, matchesFields } from "./field-selector.ts";
import { matchesLabels, type LabelSelector } from "./label-selector.ts";
import type { Change } from "./change.ts";

/** How much is kept. */
export interface WatchLimits {
  /** Changes kept; a watcher that is further behind is cut, and one that wants to continue from before is refused. */
  readonly historyEventsMax: number;
  /** Characters of JSON in them. */
  readonly historyBytesMax: number;
  /** Watchers at once. */
  readonly watchersMax: number;
}

/** Limits for one machine. */
export const defaultWatchLimits: WatchLimits = {
  historyEventsMax: 10_000,
  historyBytesMax: 16 << 20,
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

/** A change as one watcher sees it: with a selector, coming to match is an arrival and ceasing to is a departure. */
export interface Sighting {
  readonly type: "ADDED" | "MODIFIED" | "DELETED";
  readonly version: number;
  readonly text: string;
}

/** One who waits for changes. */
export interface Watcher {
  /** False once it was closed, or cut because the history has forgotten what it has not taken. */
  readonly isOpen: boolean;
  /** Whether something is there to be taken. */
  readonly isBehind: boolean;
  /** The next changes in order, at most `max`; none when there are none. */
  take(max: number): readonly Sighting[];
  /** Resolves when something can be taken, on `wake`, or when it is closed. One caller at a time. */
  wait(): Promise<void>;
  /** Lets a waiting caller look again. */
  wake(): void;
  /** Ends it; harmless when it has ended. */
  close(): void;
}

/** Keeps the history and hands changes on. */
export class WatchHub {
  readonly #limits: WatchLimits;
  readonly #watchers = new Map<string, Set<OpenWatcher>>();
  readonly #history: History;
  #count = 0;

  /** @param version Version of the store at the start: nothing older can be watched from. */
  constructor(version: number, limits: WatchLimits = defaultWatchLimits) {
    this.#history = new History(version, limits);
    this.#limits = limits;
  }

  /** Oldest version that a watch can continue from. */
  get floor(): number {
    return this.#history.floor;
  }

  /** How many watch. */
  get watchers(): number {
    return this.#count;
  }

  /** Forgets what came before a version: what an opening API did is nobody's to watch. */
  forgetBefore(version: number): void {
    this.#history.restart(version);
  }

  /** Tells committed changes to all who watch. */
  publish(changes: readonly Change[]): void {
    for (const change of changes) {
      this.#history.add(change);
      for (const watcher of this.#watchers.get(scopeKey(change)) ?? []) watcher.notice(change);
    }
  }

  /**
   * Starts a watch after a version, which must not be below `floor`.
   * @returns undefined when too many watch already.
   */
  open(scope: WatchScope, after: number): Watcher | undefined {
    if (this.#count >= this.#limits.watchersMax) return undefined;
    const key = scopeKey(scope);
    const watcher = new OpenWatcher(scope, this.#history, after, () => {
      this.#count--;
      this.#watchers.get(key)?.delete(watcher);
      if (this.#watchers.get(key)?.size === 0) this.#watchers.delete(key);
    });
    this.#count++;
    const peers = this.#watchers.get(key) ?? new Set();
    this.#watchers.set(key, peers.add(watcher));
    return watcher;
  }

  /** Ends every watch. */
  close(): void {
    for (const watchers of this.#watchers.values()) for (const watcher of watchers) watcher.close();
  }
}

/** What a watcher of a scope sees of a change, if anything. */
export function sight(scope: WatchScope, change: Change): Sighting | undefined {
  if (scope.group !== change.group || scope.resource !== change.resource) return undefined;
  if (scope.namespace !== undefined && scope.namespace !== change.namespace) return undefined;
  const { version, text, type } = change;
  const isIn = type !== "DELETED" && matches(scope, change);
  const { labelsBefore, fieldsBefore } = change;
  const wasIn = type !== "ADDED" && matches(scope, { ...change, labels: labelsBefore, fields: fieldsBefore });
  if (isIn) return { type: wasIn ? "MODIFIED" : "ADDED", version, text };
  // Who ceases to match is told as it was when it still did, as there.
  const last = type === "MODIFIED" ? (change.textBefore ?? text) : text;
  return wasIn ? { type: "DELETED", version, text: last } : undefined;
}

function matches(
  { labels, fields }: WatchScope,
  of: FieldFacts & { readonly labels: Readonly<Record<string, string>> | undefined },
): boolean {
  return matchesLabels(labels, of.labels) && matchesFields(fields, of);
}

class OpenWatcher implements Watcher {
  readonly #scope: WatchScope;
  readonly #history: History;
  readonly #onClose: () => void;
  /** Everything up to here was taken or is not for this watcher. */
  #position: number;
  #isBehind = true;
  #wake: (() => void) | undefined;
  #isOpen = true;

  constructor(...[scope, history, after, onClose]: [WatchScope, History, number, () => void]) {
    this.#scope = scope;
    this.#history = history;
    this.#position = after;
    this.#onClose = onClose;
  }

  get isOpen(): boolean {
    if (this.#isOpen && this.#isBehind && this.#position < this.#history.floor) this.close();
    return this.#isOpen;
  }

  get isBehind(): boolean {
    return this.isOpen && this.#isBehind;
  }

  take(max: number): readonly Sighting[] {
    if (!this.isBehind) return [];
    const taken: Sighting[] = [];
    for (const change of this.#history.after(this.#position)) {
      this.#position = change.version;
      const sighting = sight(this.#scope, change);
      if (sighting !== undefined && taken.push(sighting) === max) return taken;
    }
    this.#isBehind = false;
    return taken;
  }

  wait(): Promise<void> {
    if (!this.isOpen || this.#isBehind) return Promise.resolve();
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  /** Looks at a change that was just added to the history. */
  notice(change: Change): void {
    if (this.#isBehind || sight(this.#scope, change) === undefined) return;
    // One that had taken everything continues right before the change, however long nothing was for it.
    this.#position = change.version - 1;
    this.#isBehind = true;
    this.wake();
  }

  wake(): void {
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
  }

  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#onClose();
    this.wake();
  }
}

/** Changes in order of their versions, the oldest forgotten. */
class History {
  readonly #limits: WatchLimits;
  #changes: Change[] = [];
  #start = 0;
  #bytes = 0;
  #floor: number;

  constructor(floor: number, limits: WatchLimits) {
    this.#floor = floor;
    this.#limits = limits;
  }

  get floor(): number {
    return this.#floor;
  }

  restart(floor: number): void {
    this.#changes = [];
    this.#start = 0;
    this.#bytes = 0;
    this.#floor = floor;
  }

  add(change: Change): void {
    this.#changes.push(change);
    this.#bytes += bytesOf(change);
    while (
      this.#changes.length - this.#start > this.#limits.historyEventsMax ||
      this.#bytes > this.#limits.historyBytesMax
    ) {
      const oldest = this.#changes[this.#start++];
      if (oldest === undefined) break;
      this.#bytes -= bytesOf(oldest);
      this.#floor = oldest.version;
    }
    // Cut off only now and then: shifting an array by one costs its length.
    if (this.#start > 1024 && this.#start * 2 > this.#changes.length) {
      this.#changes = this.#changes.slice(this.#start);
      this.#start = 0;
    }
  }

  *after(version: number): Generator<Change, void> {
    let low = this.#start;
    let high = this.#changes.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#changes[middle]?.version ?? 0) <= version) low = middle + 1;
      else high = middle;
    }
    for (let i = low; i < this.#changes.length; i++) {
      const change = this.#changes[i];
      if (change !== undefined) yield change;
    }
  }
}

function bytesOf({ text, textBefore = "" }: Change): number {
  return text.length + textBefore.length;
}

function scopeKey(scope: { readonly group: string; readonly resource: string }): string {
  return `${scope.resource}.${scope.group}`;
}

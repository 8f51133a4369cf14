/** Which Events are one: counts what repeats, gathers what differs in its words only, cuts short who says too much. Pure but for its memory. */
import type { EventDraft } from "../../reconcile/workloads/workload-action.ts";

/** The Event that something said belongs to. */
export interface SeriesEntry {
  /** Of the Event object. */
  readonly name: string;
  readonly message: string;
  readonly count: number;
  readonly firstMs: number;
}

/** An Event is counted on for this long, as it lives no longer than an hour. */
const countedMs = 3_000_000;
/** Different messages of one reason within this time, beyond which they are gathered. */
const gatherWindowMs = 600_000;
const messagesMax = 9;
/** Of one object by one component: at once, and then one more each five minutes. */
const burst = 25;
const refillMs = 300_000;
/** Objects and messages remembered; beyond it the oldest are forgotten. */
const rememberedMax = 4096;

interface Group {
  readonly messages: Set<string>;
  readonly sinceMs: number;
}

interface Budget {
  readonly left: number;
  readonly atMs: number;
}

/** See the file's head. */
export class EventSeries {
  readonly #entries = new Map<string, SeriesEntry>();
  readonly #groups = new Map<string, Group>();
  readonly #budgets = new Map<string, Budget>();
  #lastId = 0;

  /** What to write; undefined when the component has said too much of the object. */
  take(
    component: string,
    { about, type, reason, message }: EventDraft,
    nowMs: number,
  ): SeriesEntry | undefined {
    const source = `${component} ${about.metadata.uid}`;
    if (!this.#spend(source, nowMs)) return undefined;
    const groupKey = `${source} ${type} ${reason}`;
    const isGathered = this.#isGathered(groupKey, message, nowMs);
    const text = isGathered ? `(combined from similar events): ${message}` : message;
    const key = isGathered ? groupKey : `${groupKey} ${message}`;
    const known = this.#entries.get(key);
    const isCounted = known !== undefined && nowMs - known.firstMs < countedMs;
    const entry: SeriesEntry = isCounted
      ? { ...known, message: text, count: known.count + 1 }
      : { name: this.#newName(about.metadata.name, nowMs), message: text, count: 1, firstMs: nowMs };
    remember(this.#entries, key, entry);
    return entry;
  }

  /** Names of Events end in what tells them apart. */
  #newName(object: string, nowMs: number): string {
    const id = Math.max(this.#lastId + 1, Math.floor(nowMs * 1000));
    this.#lastId = id;
    return `${object}.${id.toString(16)}`;
  }

  #isGathered(key: string, message: string, nowMs: number): boolean {
    const known = this.#groups.get(key);
    const group =
      known === undefined || nowMs - known.sinceMs > gatherWindowMs
        ? { messages: new Set<string>(), sinceMs: nowMs }
        : known;
    if (group.messages.size < messagesMax) group.messages.add(message);
    remember(this.#groups, key, group);
    return !group.messages.has(message);
  }

  #spend(source: string, nowMs: number): boolean {
    const { left, atMs } = this.#budgets.get(source) ?? { left: burst, atMs: nowMs };
    const now = Math.min(burst, left + (nowMs - atMs) / refillMs);
    const isLeft = now >= 1;
    remember(this.#budgets, source, { left: isLeft ? now - 1 : now, atMs: nowMs });
    return isLeft;
  }
}

function remember<Value>(map: Map<string, Value>, key: string, value: Value): void {
  map.delete(key);
  const [oldest] = map.keys();
  if (map.size >= rememberedMax && oldest !== undefined) map.delete(oldest);
  map.set(key, value);
}

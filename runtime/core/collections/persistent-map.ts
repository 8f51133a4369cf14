/** An immutable map by text whose changed copies share what did not change, for a mesh of tens of thousands of entries. */

const shardsCount = 256;

/** A map that never changes; {@link changeMap} makes changed copies. */
export interface PersistentMap<Value> {
  readonly size: number;
  get(key: string): Value | undefined;
  has(key: string): boolean;
  values(): IterableIterator<Value>;
  entries(): IterableIterator<readonly [string, Value]>;
}

/** A changed copy in the making: each shard that is touched is copied once. */
export interface MapChange<Value> {
  get(key: string): Value | undefined;
  set(key: string, value: Value): void;
  delete(key: string): void;
  /** The changed map; the change must not be used afterwards. */
  done(): PersistentMap<Value>;
}

type Shard<Value> = ReadonlyMap<string, Value>;

class ShardedMap<Value> implements PersistentMap<Value> {
  readonly shards: readonly Shard<Value>[];
  readonly size: number;

  constructor(shards: readonly Shard<Value>[], size: number) {
    this.shards = shards;
    this.size = size;
  }

  get(key: string): Value | undefined {
    return this.shards[shardOf(key)]?.get(key);
  }

  has(key: string): boolean {
    return this.shards[shardOf(key)]?.has(key) ?? false;
  }

  *entries(): IterableIterator<readonly [string, Value]> {
    for (const shard of this.shards) yield* shard;
  }

  *values(): IterableIterator<Value> {
    for (const shard of this.shards) yield* shard.values();
  }
}

const emptyShard: Shard<never> = new Map<string, never>();
const empty: ShardedMap<never> = new ShardedMap(
  Array.from({ length: shardsCount }, () => emptyShard),
  0,
);

/** The map without entries. */
export function emptyMap<Value>(): PersistentMap<Value> {
  return empty;
}

/** Begins a changed copy; the cost is the shards touched, not the map. */
export function changeMap<Value>(from: PersistentMap<Value>): MapChange<Value> {
  // Sound: every PersistentMap is made in this file.
  const base = from as ShardedMap<Value>;
  const shards = [...base.shards];
  const own = new Map<number, Map<string, Value>>();
  let size = base.size;
  const mutable = (at: number): Map<string, Value> => {
    const known = own.get(at);
    if (known !== undefined) return known;
    const copy = new Map(shards[at]);
    own.set(at, copy);
    shards[at] = copy;
    return copy;
  };
  return {
    get: (key) => shards[shardOf(key)]?.get(key),
    set(key, value) {
      const shard = mutable(shardOf(key));
      if (!shard.has(key)) size++;
      shard.set(key, value);
    },
    delete(key) {
      const at = shardOf(key);
      if (shards[at]?.has(key) !== true) return;
      mutable(at).delete(key);
      size--;
    },
    done: () => (own.size === 0 ? from : new ShardedMap(shards, size)),
  };
}

/** FNV-1a over the last 32 units: names differ at their ends. */
function shardOf(key: string): number {
  let hash = 0x811c9dc5;
  for (let i = Math.max(0, key.length - 32); i < key.length; i++) {
    hash = Math.imul(hash ^ key.charCodeAt(i), 0x01000193);
  }
  return (hash ^ (hash >>> 16)) & (shardsCount - 1);
}

/**
 * The objects of one kind as they are now, kept by one watch that all controllers share; what a controller writes is here
 * at once, so that it never decides on what was before its own writes. Decides nothing.
 */
import type { Clock, Timer } from "#host/clock.ts";
import { findObject, type KubeClient } from "#host/kube/kube-client.ts";
import { keyText, type KubeObject, type ObjectKey, type ResourceType } from "#host/kube/object.ts";

/** An object as it was and as it is; one of them is absent when it came or went. */
export interface ObjectChange<Kind extends KubeObject> {
  readonly before: Kind | undefined;
  readonly after: Kind | undefined;
}

/** What an informer works with. */
export interface InformerOptions<Kind extends KubeObject> {
  readonly client: KubeClient;
  readonly type: ResourceType<Kind>;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  onSync(): void;
  onError(error: unknown): void;
}

/** A watch that lists anew never tells of what came and went in between: what was noted is looked up after this time. */
const confirmAfterMs = 10_000;
/** Uids that are known to be gone, until the watch says so too. */
const goneMax = 10_000;

/** See the file's head. */
export class Informer<Kind extends KubeObject> {
  readonly type: ResourceType<Kind>;
  readonly #options: InformerOptions<Kind>;
  readonly #byNamespace = new Map<string, Map<string, Kind>>();
  readonly #listeners: ((change: ObjectChange<Kind>) => void)[] = [];
  readonly #gone = new Set<string>();
  /** Written here, not told by the watch yet. */
  readonly #unconfirmed = new Map<string, Kind>();
  #check: Timer | undefined;

  constructor(options: InformerOptions<Kind>) {
    this.type = options.type;
    this.#options = options;
  }

  /** Begins to watch. Listeners that were added before are told of everything. */
  start(): void {
    const { client, type, signal } = this.#options;
    client.watch(type, {
      signal,
      onEvent: ({ type: event, object }) => {
        this.#unconfirmed.delete(object.metadata.uid);
        if (event === "DELETED") {
          this.#gone.delete(object.metadata.uid);
          this.#drop(object);
        } else this.#take(object);
      },
      onSync: () => this.#options.onSync(),
      onError: (error) => this.#options.onError(error),
    });
  }

  /** Has a function called after every change, in order. */
  onChange(listener: (change: ObjectChange<Kind>) => void): void {
    this.#listeners.push(listener);
  }

  /** One object. */
  find({ namespace = "", name }: ObjectKey): Kind | undefined {
    return this.#byNamespace.get(namespace)?.get(name);
  }

  /** The objects of a namespace; those of no namespace have the empty one. */
  of(namespace: string | undefined): readonly Kind[] {
    return [...(this.#byNamespace.get(namespace ?? "")?.values() ?? [])];
  }

  /** All objects. */
  all(): readonly Kind[] {
    return [...this.#byNamespace.values()].flatMap((objects) => [...objects.values()]);
  }

  /** Takes in what was just written. */
  note(object: Kind): void {
    this.#unconfirmed.set(object.metadata.uid, object);
    this.#take(object);
    if (this.#check === undefined) {
      this.#check = this.#options.clock.after(confirmAfterMs, () => void this.#confirm());
    }
  }

  /** Looks what became of an object that was just deleted. */
  async noteDeletion(key: ObjectKey): Promise<void> {
    const held = this.find(key);
    const now = await findObject(this.#options.client, this.type, key);
    if (now !== undefined) this.note(now);
    if (held === undefined || now?.metadata.uid === held.metadata.uid) return;
    if (this.#gone.size >= goneMax) this.#gone.clear();
    this.#gone.add(held.metadata.uid);
    this.#drop(held);
  }

  #take(object: Kind): void {
    const { uid, namespace = "", name, resourceVersion } = object.metadata;
    if (this.#gone.has(uid)) return;
    const objects = this.#byNamespace.get(namespace) ?? new Map<string, Kind>();
    const before = objects.get(name);
    // Versions grow over all objects: an older one is an event that a write of ours has overtaken.
    if (before !== undefined && Number(before.metadata.resourceVersion) >= Number(resourceVersion)) return;
    this.#byNamespace.set(namespace, objects);
    objects.set(name, object);
    this.#tell({ before, after: object });
  }

  #drop({ metadata: { uid, namespace = "", name } }: Kind): void {
    const objects = this.#byNamespace.get(namespace);
    const before = objects?.get(name);
    if (objects === undefined || before?.metadata.uid !== uid) return;
    objects.delete(name);
    if (objects.size === 0) this.#byNamespace.delete(namespace);
    this.#tell({ before, after: undefined });
  }

  #tell(change: ObjectChange<Kind>): void {
    for (const listener of this.#listeners) listener(change);
  }

  async #confirm(): Promise<void> {
    const waiting = [...this.#unconfirmed.values()];
    this.#unconfirmed.clear();
    for (const { metadata } of waiting) {
      const { namespace, name } = metadata;
      try {
        await this.noteDeletion(namespace === undefined ? { name } : { namespace, name });
        this.#unconfirmed.delete(metadata.uid);
      } catch (error) {
        this.#options.onError(error);
      }
    }
    this.#check = undefined;
  }
}

/** What names an object in a queue. */
export function queueKey(object: KubeObject): string {
  return keyText(object.metadata);
}

/** Back from there. */
export function parseQueueKey(text: string): ObjectKey {
  const slash = text.indexOf("/");
  return slash < 0 ? { name: text } : { namespace: text.slice(0, slash), name: text.slice(slash + 1) };
}

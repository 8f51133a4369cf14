/** List, then watch from there, again and again: how a program keeps up with objects through lost connections and expired history. */
import type { Clock } from "#host/clock.ts";
import { MeshError } from "#host/mesh-error.ts";
import type { WatchOptions } from "./kube-client.ts";
import { isExpired, KubeError } from "./kube-error.ts";
import { type KubeList, type KubeObject, keyText, type ObjectMeta, type WatchEvent } from "./object.ts";

/** Where objects are listed and watched. */
export interface WatchSource<Kind extends KubeObject> {
  /** Everything selected, all pages of it. */
  list(): Promise<KubeList<Kind>>;
  /** Events after a version; ends when the server ends it, throws when the connection is lost. */
  watch(resourceVersion: string, signal: AbortSignal): AsyncIterable<WatchEvent<Kind>>;
}

/** What the loop waits by. */
export interface ListWatchPorts {
  readonly clock: Clock;
  readonly random: () => number;
}

const backoffMs = { first: 100, longest: 5000 } as const;

/** A watch that ended sooner than this counts as a failed one, so that a server that ends them at once is not hammered. */
const soonMs = 1000;

/** Tells what exists and then every change until the signal aborts. Returns at once; failures go to `onError`. */
export function runListWatch<Kind extends KubeObject>(
  source: WatchSource<Kind>,
  options: WatchOptions<Kind>,
  ports: ListWatchPorts,
): void {
  void new ListWatch(source, options, ports).run();
}

class ListWatch<Kind extends KubeObject> {
  readonly #source: WatchSource<Kind>;
  readonly #options: WatchOptions<Kind>;
  readonly #ports: ListWatchPorts;
  readonly #known = new Map<string, Kind>();
  /** Where to continue; absent: list first. */
  #version: string | undefined;
  #isSynced = false;
  #failures = 0;

  constructor(source: WatchSource<Kind>, options: WatchOptions<Kind>, ports: ListWatchPorts) {
    this.#source = source;
    this.#options = options;
    this.#ports = ports;
  }

  /** Never rejects. */
  async run(): Promise<void> {
    const { signal } = this.#options;
    while (!signal.aborted) {
      const startedMs = this.#ports.clock.monotonicMs();
      try {
        await this.#attempt();
        if (this.#ports.clock.monotonicMs() - startedMs >= soonMs) this.#failures = 0;
        else this.#failures++;
      } catch (error) {
        if (signal.aborted) return;
        if (isExpired(error)) this.#version = undefined;
        this.#failures++;
        this.#report(error);
      }
      await this.#pause();
    }
  }

  async #attempt(): Promise<void> {
    if (this.#version === undefined) {
      const list = await this.#source.list();
      if (this.#options.signal.aborted) return;
      this.#reconcile(list);
      this.#version = list.metadata.resourceVersion;
      this.#sync();
    }
    for await (const event of this.#source.watch(this.#version, this.#options.signal)) {
      if (this.#options.signal.aborted) return;
      this.#failures = 0;
      if (event.type === "ERROR") throw new KubeError(event.object);
      if (event.type !== "BOOKMARK") this.#take(event.type, event.object);
      this.#version = event.object.metadata.resourceVersion;
    }
  }

  #reconcile(list: KubeList<Kind>): void {
    const gone = new Map(this.#known);
    for (const object of list.items) {
      const key = keyOf(object.metadata);
      const before = this.#known.get(key);
      gone.delete(key);
      if (before !== undefined && before.metadata.uid !== object.metadata.uid) this.#take("DELETED", before);
      this.#take("ADDED", object);
    }
    for (const object of gone.values()) this.#take("DELETED", object);
  }

  /** Tells an event as it is for one who knows what was told before. */
  #take(type: "ADDED" | "MODIFIED" | "DELETED", object: Kind): void {
    const key = keyOf(object.metadata);
    const before = this.#known.get(key);
    if (type === "DELETED") {
      if (before === undefined) return;
      this.#known.delete(key);
      this.#tell({ type, object });
      return;
    }
    if (before?.metadata.resourceVersion === object.metadata.resourceVersion) return;
    this.#known.set(key, object);
    this.#tell({ type: before === undefined ? "ADDED" : "MODIFIED", object });
  }

  #tell(event: { type: "ADDED" | "MODIFIED" | "DELETED"; object: Kind }): void {
    try {
      this.#options.onEvent(event);
    } catch (error) {
      this.#report(error);
    }
  }

  #sync(): void {
    if (this.#isSynced) return;
    this.#isSynced = true;
    try {
      this.#options.onSync?.();
    } catch (error) {
      this.#report(error);
    }
  }

  #report(error: unknown): void {
    try {
      this.#options.onError?.(error);
    } catch {
      // A handler of failures that fails itself has nobody left to tell.
    }
  }

  #pause(): Promise<void> {
    const { signal } = this.#options;
    if (signal.aborted || this.#failures === 0) return Promise.resolve();
    const longestMs = Math.min(backoffMs.longest, backoffMs.first * 2 ** Math.min(this.#failures - 1, 10));
    // Between half and all of it, so that many clients do not come back together.
    const delayMs = Math.max(backoffMs.first, longestMs * (0.5 + this.#ports.random() / 2));
    return new Promise((resolve) => {
      const done = (): void => {
        timer.cancel();
        signal.removeEventListener("abort", done);
        resolve();
      };
      const timer = this.#ports.clock.after(delayMs, done);
      signal.addEventListener("abort", done, { once: true });
    });
  }
}

/** Reads all pages of a list, so that one answer stays small. @throws MeshError when they do not end. */
export async function listAllPages<Kind extends KubeObject>(
  page: (continueToken: string | undefined) => Promise<KubeList<Kind>>,
  pagesMax: number,
): Promise<KubeList<Kind>> {
  const first = await page(undefined);
  const items = [...first.items];
  let token = first.metadata.continue;
  for (let pages = 1; token !== undefined && token !== ""; pages++) {
    if (pages >= pagesMax) {
      throw new MeshError(
        "limit-reached",
        `Cannot list objects in at most ${pagesMax} pages: there are more`,
      );
    }
    const next = await page(token);
    items.push(...next.items);
    token = next.metadata.continue;
  }
  return { ...first, metadata: { resourceVersion: first.metadata.resourceVersion }, items };
}

function keyOf(metadata: ObjectMeta): string {
  const { name, namespace } = metadata;
  return keyText(namespace === undefined ? { name } : { namespace, name });
}

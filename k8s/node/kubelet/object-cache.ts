/** ConfigMaps and Secrets that Pods of this node name, each watched by its name for as long as somebody needs it; never all of a namespace. */
import type { KubeClient } from "#host/kube/kube-client.ts";
import type { KubeObject, NamespacedMeta, ResourceType } from "#host/kube/object.ts";
import type { Log } from "#host/log.ts";
import { errorText } from "#host/mesh-error.ts";

interface Entry {
  object: KubeObject | undefined;
  isKnown: boolean;
  readonly known: PromiseWithResolvers<void>;
  readonly users: Set<string>;
  readonly ending: AbortController;
}

/** An object of a namespace. */
export type NamespacedObject = KubeObject & { readonly metadata: NamespacedMeta };

/** See the file's opening. */
export class ObjectCache {
  readonly #api: KubeClient;
  readonly #log: Log;
  readonly #onChange: (user: string) => void;
  readonly #entries = new Map<string, Entry>();

  /** @param onChange told of each user of an object that has changed */
  constructor(api: KubeClient, log: Log, onChange: (user: string) => void) {
    this.#api = api;
    this.#log = log;
    this.#onChange = onChange;
  }

  /** Has an object watched for a user, and gives it once it is known; undefined when there is none. */
  async need<Kind extends NamespacedObject>(
    type: ResourceType<Kind>,
    key: { readonly namespace: string; readonly name: string },
    user: string,
  ): Promise<Kind | undefined> {
    const entry = this.#entry(type, key);
    entry.users.add(user);
    await entry.known.promise;
    // Sound: the entry's watch is of this type.
    return entry.object as Kind | undefined;
  }

  /** The user needs nothing any more. */
  release(user: string): void {
    for (const [key, entry] of this.#entries) {
      if (!entry.users.delete(user) || entry.users.size > 0) continue;
      entry.ending.abort();
      this.#entries.delete(key);
    }
  }

  /** Ends every watch. */
  close(): void {
    for (const { ending } of this.#entries.values()) ending.abort();
    this.#entries.clear();
  }

  #entry<Kind extends NamespacedObject>(
    type: ResourceType<Kind>,
    { namespace, name }: { readonly namespace: string; readonly name: string },
  ): Entry {
    const key = `${type.resource}/${namespace}/${name}`;
    const found = this.#entries.get(key);
    if (found !== undefined) return found;
    const entry: Entry = {
      object: undefined,
      isKnown: false,
      known: Promise.withResolvers(),
      users: new Set(),
      ending: new AbortController(),
    };
    this.#entries.set(key, entry);
    this.#api.watch(type, {
      namespace,
      fieldSelector: `metadata.name=${name}`,
      onEvent: ({ type: change, object }) => {
        entry.object = change === "DELETED" ? undefined : object;
        if (entry.isKnown) for (const user of entry.users) this.#onChange(user);
      },
      onSync() {
        entry.isKnown = true;
        entry.known.resolve();
      },
      onError: (error) => this.#log.warn("cannot follow an object", { key, error: errorText(error) }),
      signal: entry.ending.signal,
    });
    return entry;
  }
}

/** The API as a table in memory, for programs that only watch, patch and tell: what is put is watched at once. No versions, no selectors, no refusals but NotFound. */
import type { KubeClient, ObjectEvent } from "#host/kube/kube-client.ts";
import { KubeError } from "#host/kube/kube-error.ts";
import type { Draft, KubeObject, ObjectKey, ResourceType } from "#host/kube/object.ts";

/** The table. */
export interface FakeKube extends KubeClient {
  /** Creates or replaces an object. */
  put(type: ResourceType, object: KubeObject): void;
  remove(type: ResourceType, key: ObjectKey): void;
  find<Kind extends KubeObject>(type: ResourceType<Kind>, key: ObjectKey): Kind | undefined;
  all<Kind extends KubeObject>(type: ResourceType<Kind>): Kind[];
}

interface Watcher {
  readonly resource: string;
  readonly onEvent: (event: ObjectEvent<KubeObject>) => void;
}

/** Makes an empty one. */
export function makeFakeKube(): FakeKube {
  const objects = new Map<string, KubeObject>();
  const watchers = new Set<Watcher>();
  let version = 0;
  const tell = (resource: string, event: ObjectEvent<KubeObject>): void => {
    for (const watcher of watchers) if (watcher.resource === resource) watcher.onEvent(event);
  };
  const kube: FakeKube = {
    put(type, object) {
      const key = keyOf(type, object.metadata);
      const isNew = !objects.has(key);
      const stored = { ...object, metadata: { ...object.metadata, resourceVersion: String(++version) } };
      objects.set(key, stored);
      tell(type.resource, { type: isNew ? "ADDED" : "MODIFIED", object: stored });
    },
    remove(type, key) {
      const object = objects.get(keyOf(type, key));
      if (object === undefined) return;
      objects.delete(keyOf(type, key));
      tell(type.resource, { type: "DELETED", object });
    },
    find<Kind extends KubeObject>(type: ResourceType<Kind>, key: ObjectKey) {
      return objects.get(keyOf(type, key)) as Kind | undefined; // sound: stored under its type
    },
    all<Kind extends KubeObject>(type: ResourceType<Kind>) {
      const found = [...objects].filter(([key]) => key.startsWith(`${type.resource} `));
      return found.map(([, object]) => object) as Kind[]; // sound: stored under its type
    },
    async get(type, key) {
      const found = kube.find(type, key);
      if (found !== undefined) return found;
      throw new KubeError({
        apiVersion: "v1",
        kind: "Status",
        metadata: {},
        status: "Failure",
        message: `${type.resource} "${key.name}" not found`,
        reason: "NotFound",
        code: 404,
      });
    },
    async list(type) {
      const metadata = { resourceVersion: String(version) };
      return { apiVersion: "v1", kind: `${type.kind}List`, metadata, items: kube.all(type) };
    },
    async create<Kind extends KubeObject>(type: ResourceType<Kind>, draft: Draft<Kind>) {
      const name = draft.metadata.name ?? `${draft.metadata.generateName}${version}`;
      const metadata = { ...draft.metadata, name, uid: `uid-${version}`, creationTimestamp: "" };
      kube.put(type, {
        ...draft,
        apiVersion: type.version,
        kind: type.kind,
        metadata,
      } as unknown as KubeObject);
      return await kube.get(type, { ...draft.metadata, name });
    },
    async update(type, object) {
      kube.put(type, object);
      return await kube.get(type, object.metadata);
    },
    patch: async (type, key, patch) => await merge(kube, { type, key, value: patch.value }),
    patchStatus: async (type, key, patch) => await merge(kube, { type, key, value: patch.value }),
    async delete(type, key) {
      kube.remove(type, key);
    },
    watch(type, options) {
      const watcher: Watcher = {
        resource: type.resource,
        // Sound: a watcher is told of objects of its type only.
        onEvent: (event) => options.onEvent(event as never),
      };
      for (const object of kube.all(type)) options.onEvent({ type: "ADDED", object });
      options.onSync?.();
      watchers.add(watcher);
      options.signal.addEventListener("abort", () => watchers.delete(watcher));
    },
  };
  return kube;
}

async function merge<Kind extends KubeObject>(
  kube: FakeKube,
  {
    type,
    key,
    value,
  }: { readonly type: ResourceType<Kind>; readonly key: ObjectKey; readonly value: unknown },
): Promise<Kind> {
  const before = await kube.get(type, key);
  kube.put(type, merged(before, value) as KubeObject); // sound: merged from an object of that type
  return await kube.get(type, key);
}

/** JSON merge patch (RFC 7396). */
function merged(target: unknown, patch: unknown): unknown {
  if (typeof patch !== "object" || patch === null || Array.isArray(patch)) return patch;
  const base = typeof target === "object" && target !== null ? { ...target } : {};
  const result = base as Record<string, unknown>;
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) delete result[name];
    else result[name] = merged(result[name], value);
  }
  return result;
}

function keyOf({ resource }: ResourceType, { namespace = "", name }: ObjectKey): string {
  return `${resource} ${namespace}/${name}`;
}

/** The API as a KubeClient of its own process: the same objects, the same refusals, no HTTP. */
import type { DeleteOptions, KubeClient, ListOptions, Patch, WatchOptions } from "#host/kube/kube-client.ts";
import { runListWatch, type WatchSource } from "#host/kube/list-watch.ts";
import {
  apiVersionOf,
  type Draft,
  type KubeList,
  type KubeObject,
  type ObjectKey,
  type ResourceType,
  type Status,
  type WatchEvent,
} from "#host/kube/object.ts";
import { admit, type AskedWrite, type WriteRun } from "./admission/admit.ts";
import type { User } from "./api.ts";
import type { ApiContext } from "./api-context.ts";
import { mastersGroup } from "./authorization/authorizer.ts";
import { createObject } from "./create-object.ts";
import { deleteObject } from "./delete-object.ts";
import { patchObject } from "./patch-object.ts";
import { selectors } from "./query-options.ts";
import { getText, listPage, listText } from "./read-objects.ts";
import type { Verb } from "./request-path.ts";
import { resolveTarget } from "./resolve-target.ts";
import { updateObject } from "./update-object.ts";
import { watchObjects } from "./watch-objects.ts";
import type { WorkingObject } from "./working-object.ts";
import type { Target, WriteOptions } from "./write-context.ts";

/** The name under which what the process itself writes is kept. */
const manager = "lambient";

/** As webhooks see whoever writes in-process. */
const controlPlane: User = {
  name: "system:lambient:control-plane",
  groups: [mastersGroup, "system:authenticated"],
};

/**
 * A client that may do everything. Its type assertions are sound: what is read or written is an object of the resource
 * that was asked for, by whose schema it was read when it was stored.
 */
export class InProcessClient implements KubeClient {
  readonly #context: ApiContext;

  constructor(context: ApiContext) {
    this.#context = context;
  }

  async get<Kind extends KubeObject>(type: ResourceType<Kind>, key: ObjectKey): Promise<Kind> {
    const target = this.#target("get", type, key.namespace);
    return JSON.parse(getText(this.#context.store, target, key.name)) as Kind;
  }

  async list<Kind extends KubeObject>(
    type: ResourceType<Kind>,
    options: ListOptions = {},
  ): Promise<KubeList<Kind>> {
    const target = this.#target("list", type, options.namespace);
    const query = { ...selectors(options), limit: options.limit ?? 0, continueToken: options.continue ?? "" };
    const { store, hub } = this.#context;
    return JSON.parse(listText(target, listPage(store, target, query, hub.floor))) as KubeList<Kind>;
  }

  async create<Kind extends KubeObject>(type: ResourceType<Kind>, draft: Draft<Kind>): Promise<Kind> {
    const target = this.#target("create", type, draft.metadata.namespace);
    const write = { target, name: draft.metadata.name ?? "", verb: "create", subresource: "" } as const;
    const { object } = await this.#admit(write, (given) =>
      createObject(this.#context, target, jsonCopy(draft), { manager, ...given }),
    );
    return inVersion(target, object) as Kind;
  }

  async update<Kind extends KubeObject>(type: ResourceType<Kind>, object: Kind): Promise<Kind> {
    const target = this.#target("update", type, object.metadata.namespace);
    const change = (): unknown => jsonCopy(object);
    const { name } = object.metadata;
    const written = await this.#admit({ target, name, verb: "update", subresource: "" }, (given) =>
      updateObject(this.#context, { target, name, change, replaces: true, options: { manager, ...given } }),
    );
    return inVersion(target, written.object) as Kind;
  }

  async patch<Kind extends KubeObject>(
    type: ResourceType<Kind>,
    key: ObjectKey,
    patch: Patch,
  ): Promise<Kind> {
    return this.#patch(type, { key, patch, options: { manager } });
  }

  async patchStatus<Kind extends KubeObject>(
    type: ResourceType<Kind>,
    key: ObjectKey,
    patch: Patch,
  ): Promise<Kind> {
    return this.#patch(type, { key, patch, options: { subresource: "status", manager } });
  }

  async delete(type: ResourceType, key: ObjectKey, options: DeleteOptions = {}): Promise<void> {
    const target = this.#target("delete", type, key.namespace);
    const { name } = key;
    await this.#admit({ target, name, verb: "delete", subresource: "" }, (given) =>
      deleteObject(this.#context, { target, name, options: { ...options, ...given } }),
    );
  }

  watch<Kind extends KubeObject>(type: ResourceType<Kind>, options: WatchOptions<Kind>): void {
    const source: WatchSource<Kind> = {
      list: () => this.list(type, options),
      watch: (resourceVersion, signal) => this.#events<Kind>(type, options, resourceVersion, signal),
    };
    runListWatch(source, options, this.#context);
  }

  #target(verb: Verb, type: ResourceType, namespace: string | undefined): Target {
    const { group, version, resource, namespaced } = type;
    return resolveTarget(this.#context.registry, {
      verb,
      group,
      version,
      resource,
      namespace: namespaced ? (namespace ?? "") : "",
    });
  }

  /** Without webhooks the write is done before this returns. */
  #admit<Value>(
    write: Pick<AskedWrite, "target" | "name" | "verb" | "subresource">,
    run: (given: WriteRun) => Value,
  ): Promise<Value> {
    return admit(this.#context, { ...write, user: controlPlane, isDryRun: false }, run);
  }

  async #patch<Kind extends KubeObject>(
    type: ResourceType<Kind>,
    request: { readonly key: ObjectKey; readonly patch: Patch; readonly options: WriteOptions },
  ): Promise<Kind> {
    const target = this.#target("patch", type, request.key.namespace);
    const patch = jsonCopy(request.patch);
    const { options, key } = request;
    const { name } = key;
    const write = { target, name, verb: "patch", subresource: options.subresource ?? "" } as const;
    const { object } = await this.#admit(write, (given) =>
      patchObject(this.#context, { target, name, patch, options: { ...options, ...given } }),
    );
    return inVersion(target, object) as Kind;
  }

  async *#events<Kind extends KubeObject>(
    ...[type, options, resourceVersion, signal]: [ResourceType<Kind>, WatchOptions<Kind>, string, AbortSignal]
  ): AsyncGenerator<WatchEvent<Kind>, void> {
    const query = {
      ...selectors(options),
      after: Number(resourceVersion),
      tellsInitial: false,
      marksInitial: false,
      bookmarks: true,
      timeoutSeconds: 0,
    };
    const target = this.#target("watch", type, options.namespace);
    for await (const lines of watchObjects(this.#context, target, query, signal)) {
      for (const line of lines) yield eventOf<Kind>(line.type, line.text);
    }
  }
}

function eventOf<Kind extends KubeObject>(type: WatchEvent["type"], text: string): WatchEvent<Kind> {
  switch (type) {
    case "ERROR":
      return { type, object: JSON.parse(text) as Status };
    case "BOOKMARK":
      return { type, object: JSON.parse(text) as KubeObject };
    case "ADDED":
    case "MODIFIED":
    case "DELETED":
      return { type, object: JSON.parse(text) as Kind };
  }
}

/** What a client's value would be after the wire: no undefined fields, nothing shared. */
function jsonCopy<Value>(value: Value): Value {
  return JSON.parse(JSON.stringify(value)) as Value;
}

/** An object as a client of the target's version reads it, shared with nobody. */
function inVersion(target: Target, object: WorkingObject): unknown {
  const apiVersion = apiVersionOf({ group: target.kind.group, version: target.version });
  return structuredClone({ ...object, apiVersion });
}

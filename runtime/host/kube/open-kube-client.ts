/** The Kubernetes API over HTTPS as a KubeClient: ours on a unix socket, or a real one. */
import { type Clock, systemClock } from "#host/clock.ts";
import { LineReader } from "#host/line-reader.ts";
import { MeshError } from "#host/mesh-error.ts";
import type { DeleteOptions, KubeClient, ListOptions, Patch, WatchOptions } from "./kube-client.ts";
import { KubeConnection, type KubeConnectionOptions } from "./kube-connection.ts";
import { listAllPages, runListWatch } from "./list-watch.ts";
import {
  apiVersionOf,
  type Draft,
  type KubeList,
  type KubeObject,
  type ObjectKey,
  type ResourceType,
  type WatchEvent,
} from "./object.ts";
import { deleteBody, listParameters, patchMediaType, resourcePath } from "./resource-path.ts";

/** How the client is opened. */
export interface KubeClientOptions extends KubeConnectionOptions {
  /** Default the machine's. */
  readonly clock?: Clock;
  /** A number of [0, 1), for backoff. Default Math.random. */
  readonly random?: () => number;
}

/** Objects asked for at once when everything is listed. */
const pageSize = 500;
/** Pages of one list: 500 000 objects are beyond what this mesh is for. */
const pagesMax = 1000;
/** Longest line of a watch: the largest object and some. */
const lineBytesMax = 8 << 20;
/** A watch on which nothing came for this long, bookmarks included, has lost its peer: they come every minute. */
const silenceMs = 150_000;

/**
 * Opens a client; nothing is sent yet.
 *
 * The first request of a process starts Bun's HTTP thread, which stays for life in the network namespace the process
 * is in at that moment: a program that changes namespaces makes a request before it does.
 */
export function openKubeClient(options: KubeClientOptions): KubeClient {
  return new HttpKubeClient(new KubeConnection(options), {
    clock: options.clock ?? systemClock,
    random: options.random ?? Math.random,
  });
}

interface Ports {
  readonly clock: Clock;
  readonly random: () => number;
}

class HttpKubeClient implements KubeClient {
  readonly #connection: KubeConnection;
  readonly #ports: Ports;

  constructor(connection: KubeConnection, ports: Ports) {
    this.#connection = connection;
    this.#ports = ports;
  }

  async get<Kind extends KubeObject>(type: ResourceType<Kind>, key: ObjectKey): Promise<Kind> {
    return asKind(type, await this.#connection.ask({ method: "GET", path: resourcePath(type, key) }));
  }

  async list<Kind extends KubeObject>(
    type: ResourceType<Kind>,
    options: ListOptions = {},
  ): Promise<KubeList<Kind>> {
    if (options.limit !== undefined || options.continue !== undefined) return this.#page(type, options);
    return listAllPages(
      (token) =>
        this.#page(type, {
          ...options,
          limit: pageSize,
          ...(token === undefined ? {} : { continue: token }),
        }),
      pagesMax,
    );
  }

  async create<Kind extends KubeObject>(type: ResourceType<Kind>, draft: Draft<Kind>): Promise<Kind> {
    const path = resourcePath(type, { namespace: draft.metadata.namespace });
    const body = { apiVersion: apiVersionOf(type), kind: type.kind, ...draft };
    return asKind(type, await this.#connection.ask({ method: "POST", path, body }));
  }

  async update<Kind extends KubeObject>(type: ResourceType<Kind>, object: Kind): Promise<Kind> {
    const path = resourcePath(type, object.metadata);
    return asKind(type, await this.#connection.ask({ method: "PUT", path, body: object }));
  }

  async patch<Kind extends KubeObject>(
    type: ResourceType<Kind>,
    key: ObjectKey,
    patch: Patch,
  ): Promise<Kind> {
    return this.#patch(type, resourcePath(type, key), patch);
  }

  async patchStatus<Kind extends KubeObject>(
    type: ResourceType<Kind>,
    key: ObjectKey,
    patch: Patch,
  ): Promise<Kind> {
    return this.#patch(type, resourcePath(type, { ...key, subresource: "status" }), patch);
  }

  async delete(type: ResourceType, key: ObjectKey, options: DeleteOptions = {}): Promise<void> {
    const path = resourcePath(type, key);
    await this.#connection.ask({ method: "DELETE", path, body: deleteBody(options) });
  }

  watch<Kind extends KubeObject>(type: ResourceType<Kind>, options: WatchOptions<Kind>): void {
    const { namespace, labelSelector, fieldSelector } = options;
    const selection = {
      ...(namespace === undefined ? {} : { namespace }),
      ...(labelSelector === undefined ? {} : { labelSelector }),
      ...(fieldSelector === undefined ? {} : { fieldSelector }),
    };
    const source = {
      list: () => this.list(type, selection),
      watch: (version: string, signal: AbortSignal) => {
        const query = listParameters(selection);
        query.set("watch", "true");
        query.set("allowWatchBookmarks", "true");
        query.set("resourceVersion", version);
        return this.#events<Kind>(`${resourcePath(type, { namespace })}?${query.toString()}`, signal);
      },
    };
    runListWatch(source, options, this.#ports);
  }

  async #page<Kind extends KubeObject>(
    type: ResourceType<Kind>,
    options: ListOptions,
  ): Promise<KubeList<Kind>> {
    const path = `${resourcePath(type, { namespace: options.namespace })}?${listParameters(options).toString()}`;
    // Sound: the API answers a list request with a list of the resource asked for, or refuses.
    const list = (await this.#connection.ask({ method: "GET", path })) as KubeList<Kind>;
    // A real API server leaves these out of a list's items.
    return { ...list, items: (list.items ?? []).map((item) => ({ ...withType(type), ...item })) };
  }

  async #patch<Kind extends KubeObject>(type: ResourceType<Kind>, path: string, patch: Patch): Promise<Kind> {
    const body = patch.value;
    const mediaType = patchMediaType(patch);
    return asKind(type, await this.#connection.ask({ method: "PATCH", path, body, mediaType }));
  }

  async *#events<Kind extends KubeObject>(
    path: string,
    signal: AbortSignal,
  ): AsyncGenerator<WatchEvent<Kind>, void> {
    const silence = new AbortController();
    const watchdog = startWatchdog(this.#ports.clock, silence);
    const either = AbortSignal.any([signal, silence.signal]);
    try {
      const response = await this.#connection.open({ method: "GET", path, signal: either });
      const lines = new LineReader(lineBytesMax);
      for await (const chunk of response.body ?? []) {
        watchdog.feed();
        const complete = lines.push(chunk);
        if (complete === undefined) {
          throw new MeshError("limit-reached", `Cannot read a watch's line of at most ${lineBytesMax} bytes`);
        }
        // Sound: every line of a watch is an event of the resource watched.
        for (const line of complete) if (line !== "") yield JSON.parse(line) as WatchEvent<Kind>;
      }
    } finally {
      watchdog.stop();
    }
  }
}

interface Watchdog {
  feed(): void;
  stop(): void;
}

function startWatchdog(clock: Clock, silence: AbortController): Watchdog {
  const bark = (): void => {
    silence.abort(new MeshError("timeout", `Cannot keep a watch that is silent for ${silenceMs} ms`));
  };
  let timer = clock.after(silenceMs, bark);
  return {
    feed() {
      timer.cancel();
      timer = clock.after(silenceMs, bark);
    },
    stop: () => timer.cancel(),
  };
}

function withType(type: ResourceType): { readonly apiVersion: string; readonly kind: string } {
  return { apiVersion: apiVersionOf(type), kind: type.kind };
}

/** Sound: the API answers with an object of the resource asked for, or refuses. */
function asKind<Kind extends KubeObject>(_type: ResourceType<Kind>, value: unknown): Kind {
  return value as Kind;
}

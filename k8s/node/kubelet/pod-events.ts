/** Events about Pods, as `kubectl describe` shows them: written in the background, one object for what repeats, bounded in number and haste. */
import { createHash } from "node:crypto";
import type { Clock } from "#host/clock.ts";
import type { KubeClient } from "#host/kube/kube-client.ts";
import { isNotFound } from "#host/kube/kube-error.ts";
import type { KubeObject, NamespacedMeta, ResourceType } from "#host/kube/object.ts";
import type { Log } from "#host/log.ts";
import { errorText } from "#host/mesh-error.ts";
import type { PodObject } from "../../model/pod.ts";
import { formatTime } from "../../reconcile/pods/container-status.ts";

/** v1 Event, as far as it is written here. */
interface EventObject extends KubeObject {
  readonly metadata: NamespacedMeta;
  readonly involvedObject: Readonly<Record<string, string>>;
  readonly reason: string;
  readonly message: string;
  readonly type: "Normal" | "Warning";
  readonly source: { readonly component: string; readonly host: string };
  readonly firstTimestamp: string;
  readonly lastTimestamp: string;
  readonly count: number;
  readonly reportingComponent: string;
  readonly reportingInstance: string;
}

const eventResource: ResourceType<EventObject> = {
  group: "",
  version: "v1",
  resource: "events",
  kind: "Event",
  namespaced: true,
};

/** What is told of a Pod. */
export interface PodEvent {
  readonly type: "Normal" | "Warning";
  readonly reason: string;
  readonly message: string;
  /** Which container it is about. */
  readonly container?: string;
  /** Whether that is one of the init containers. */
  readonly isInit?: boolean;
}

interface Written {
  readonly name: string;
  readonly firstAtMs: number;
  count: number;
}

const component = "kubelet";
/** Events that wait to be written; beyond it new ones are dropped. */
const waitingMax = 256;
/** Different events that are remembered, so that repeats are counted. */
const rememberedMax = 1024;
const messageMax = 1024;

/** See the file's opening. */
export class PodEvents {
  readonly #options: {
    readonly api: KubeClient;
    readonly clock: Clock;
    readonly log: Log;
    readonly node: string;
  };
  readonly #written = new Map<string, Written>();
  #waiting = 0;
  #tail: Promise<void> = Promise.resolve();
  #dropped = 0;

  constructor(options: { api: KubeClient; clock: Clock; log: Log; node: string }) {
    this.#options = options;
  }

  /** Events that were not written since too many waited. */
  get dropped(): number {
    return this.#dropped;
  }

  /** Takes an event; it is written soon. */
  record(pod: PodObject, event: PodEvent): void {
    if (this.#waiting >= waitingMax) {
      this.#dropped++;
      return;
    }
    this.#waiting++;
    const atMs = this.#options.clock.nowMs();
    this.#tail = this.#tail.then(() => this.#write(pod, event, atMs)).finally(() => this.#waiting--);
  }

  /** Settles when what was recorded is written. */
  flushed(): Promise<void> {
    return this.#tail;
  }

  async #write(pod: PodObject, event: PodEvent, atMs: number): Promise<void> {
    const { api, log } = this.#options;
    const key = JSON.stringify([pod.metadata.uid, event.reason, event.message, event.container]);
    const known = this.#written.get(key);
    const { namespace } = pod.metadata;
    try {
      if (known !== undefined) {
        known.count++;
        const value = { count: known.count, lastTimestamp: formatTime(atMs) };
        await api.patch(eventResource, { namespace, name: known.name }, { kind: "merge", value });
        return;
      }
    } catch (error) {
      if (!isNotFound(error)) return log.debug("event not written", { error: errorText(error) });
      this.#written.delete(key); // It was old and is gone: a new one is made.
    }
    try {
      const name = await this.#create(pod, event, atMs);
      if (this.#written.size >= rememberedMax) this.#written.clear();
      this.#written.set(key, { name, firstAtMs: atMs, count: 1 });
    } catch (error) {
      log.debug("event not written", { error: errorText(error) });
    }
  }

  async #create(pod: PodObject, event: PodEvent, atMs: number): Promise<string> {
    const { api, node } = this.#options;
    const { metadata } = pod;
    const digest = createHash("sha256")
      .update(`${metadata.uid} ${event.reason} ${event.message} ${atMs}`)
      .digest("hex");
    const name = `${metadata.name}.${digest.slice(0, 16)}`;
    const list = event.isInit === true ? "initContainers" : "containers";
    await api.create(eventResource, {
      metadata: { name, namespace: metadata.namespace },
      involvedObject: {
        apiVersion: "v1",
        kind: "Pod",
        name: metadata.name,
        namespace: metadata.namespace,
        uid: metadata.uid,
        resourceVersion: metadata.resourceVersion,
        ...(event.container === undefined ? {} : { fieldPath: `spec.${list}{${event.container}}` }),
      },
      reason: event.reason,
      message: event.message.slice(0, messageMax),
      type: event.type,
      source: { component, host: node },
      firstTimestamp: formatTime(atMs),
      lastTimestamp: formatTime(atMs),
      count: 1,
      reportingComponent: component,
      reportingInstance: node,
    });
    return name;
  }
}

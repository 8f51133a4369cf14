/** Tells the API what became of Pods: the redirection annotation on their status, which discovery reads, and Events for people. What it says is decided elsewhere. */
import type { Clock, Timer } from "#host/clock.ts";
import type { KubeClient } from "#host/kube/kube-client.ts";
import { isNotFound } from "#host/kube/kube-error.ts";
import type { Draft } from "#host/kube/object.ts";
import type { Log } from "#host/log.ts";
import { errorText } from "#host/mesh-error.ts";
import { type EventObject, eventResource } from "../../model/event.ts";
import { podResource } from "../../model/pod.ts";
import { redirectionAnnotation } from "../../reconcile/enrolment/decide-enrolment.ts";

/** Which Pod. */
export interface NoticedPod {
  readonly uid: string;
  readonly namespace: string;
  readonly name: string;
}

/** What the annotation says: ztunnel serves it, ztunnel did not take it yet, nothing. */
export type Redirection = "enabled" | "pending" | undefined;

/** Something that people may want to know. */
export interface PodEvent {
  readonly type: "Normal" | "Warning";
  readonly reason: "Enrolled" | "Unenrolled" | "EnrolmentFailed" | "EnrolmentRepaired";
  readonly message: string;
}

/** What notices need. */
export interface NoticeOptions {
  readonly api: KubeClient;
  readonly clock: Clock;
  readonly log: Log;
  readonly node: string;
}

interface Standing {
  readonly value: Redirection;
  retry: Timer | undefined;
}

const retryMs = { first: 200, longest: 10_000 } as const;
/** The same is not told again of a Pod before that; it is counted all the same. */
const eventPauseMs = 30_000;
const eventsRememberedMax = 4096;

/** See the file's opening. */
export class PodNotices {
  readonly #options: NoticeOptions;
  readonly #wanted = new Map<string, Standing>();
  readonly #toldAtMs = new Map<string, number>();

  constructor(options: NoticeOptions) {
    this.#options = options;
  }

  /** Writes the annotation, again and again until it stands or another value is wanted. Settles after the first attempt; never rejects. */
  async setRedirection(pod: NoticedPod, value: Redirection): Promise<void> {
    const known = this.#wanted.get(pod.uid);
    if (known !== undefined && known.value === value) return;
    known?.retry?.cancel();
    const standing: Standing = { value, retry: undefined };
    this.#wanted.set(pod.uid, standing);
    await this.#write(pod, standing, retryMs.first);
  }

  /** The API has the Pod with this value: what is wanted is compared with that from now on. */
  know(uid: string, value: Redirection): void {
    if (!this.#wanted.has(uid)) this.#wanted.set(uid, { value, retry: undefined });
  }

  /** Nothing is told of the Pod any more. */
  forget(uid: string): void {
    this.#wanted.get(uid)?.retry?.cancel();
    this.#wanted.delete(uid);
  }

  /** Makes an Event; at most one of a kind in a while. */
  tell(pod: NoticedPod, event: PodEvent): void {
    const { api, clock, log, node } = this.#options;
    const nowMs = clock.nowMs();
    const key = `${pod.uid} ${event.reason}`;
    const toldAtMs = this.#toldAtMs.get(key);
    if (toldAtMs !== undefined && nowMs - toldAtMs < eventPauseMs) return;
    if (this.#toldAtMs.size >= eventsRememberedMax) this.#toldAtMs.clear();
    this.#toldAtMs.set(key, nowMs);
    api.create(eventResource, draftOf(pod, event, { nowMs, node })).catch((error: unknown) => {
      log.debug("event not written", { pod: pod.name, reason: event.reason, error: errorText(error) });
    });
  }

  /** Gives up what could not be written yet. */
  close(): void {
    for (const { retry } of this.#wanted.values()) retry?.cancel();
    this.#wanted.clear();
  }

  async #write(pod: NoticedPod, standing: Standing, pauseMs: number): Promise<void> {
    const { api, clock, log } = this.#options;
    const { uid, namespace, name } = pod;
    const annotations = { [redirectionAnnotation]: standing.value ?? null };
    try {
      const patch = { kind: "merge", value: { metadata: { uid, annotations } } } as const;
      await api.patchStatus(podResource, { namespace, name }, patch);
    } catch (error) {
      if (isNotFound(error) || this.#wanted.get(uid) !== standing) return;
      log.warn("redirection not told", { pod: name, namespace, error: errorText(error) });
      const next = Math.min(pauseMs * 2, retryMs.longest);
      standing.retry = clock.after(pauseMs, () => void this.#write(pod, standing, next));
    }
  }
}

function draftOf(
  { uid, namespace, name }: NoticedPod,
  { type, reason, message }: PodEvent,
  { nowMs, node }: { readonly nowMs: number; readonly node: string },
): Draft<EventObject> {
  const at = `${new Date(nowMs).toISOString().slice(0, 19)}Z`;
  const component = "lambient-node";
  return {
    metadata: { generateName: `${name}.`, namespace },
    involvedObject: { apiVersion: "v1", kind: "Pod", namespace, name, uid },
    type,
    reason,
    message,
    source: { component, host: node },
    reportingComponent: component,
    reportingInstance: node,
    firstTimestamp: at,
    lastTimestamp: at,
    count: 1,
  };
}

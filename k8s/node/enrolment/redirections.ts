/** Writes the redirection annotation on Pods' status, which discovery reads; what it says is decided elsewhere. */
import type { Clock, Timer } from "#host/clock.ts";
import type { KubeClient } from "#host/kube/kube-client.ts";
import { isNotFound } from "#host/kube/kube-error.ts";
import type { Log } from "#host/log.ts";
import { errorText } from "#host/mesh-error.ts";
import { type PodObject, podResource, redirectionAnnotation } from "../../model/pod.ts";

/** Which Pod. */
export interface NamedPod {
  readonly uid: string;
  readonly namespace: string;
  readonly name: string;
}

/** What the annotation says: ztunnel serves it, ztunnel did not take it yet, nothing. */
export type Redirection = "enabled" | "pending" | undefined;

/** What writing needs. */
export interface RedirectionOptions {
  readonly api: KubeClient;
  readonly clock: Clock;
  readonly log: Log;
}

interface Standing {
  readonly value: Redirection;
  /** The Pod's version since which the API has it; absent while it is not written. */
  since: bigint | undefined;
  retry: Timer | undefined;
}

const retryMs = { first: 200, longest: 10_000 } as const;

/** See the file's opening. */
export class Redirections {
  readonly #options: RedirectionOptions;
  readonly #wanted = new Map<string, Standing>();

  constructor(options: RedirectionOptions) {
    this.#options = options;
  }

  /** Writes the annotation, again and again until it stands or another value is wanted. Settles after the first attempt; never rejects. */
  async set(pod: NamedPod, value: Redirection): Promise<void> {
    const known = this.#wanted.get(pod.uid);
    if (known !== undefined && known.value === value) return;
    known?.retry?.cancel();
    const standing: Standing = { value, since: undefined, retry: undefined };
    this.#wanted.set(pod.uid, standing);
    await this.#write(pod, standing, retryMs.first);
  }

  /** Hears how the API has the Pod: what it has from before need not be written, and what someone has changed since is written again. */
  observe({ metadata }: PodObject): void {
    const { uid, namespace, name, annotations, resourceVersion } = metadata;
    const value = annotations?.[redirectionAnnotation];
    const version = BigInt(resourceVersion);
    const standing = this.#wanted.get(uid);
    if (standing === undefined) {
      if (isRedirection(value)) this.#wanted.set(uid, { value, since: version, retry: undefined });
      return;
    }
    if (standing.since === undefined || version <= standing.since || value === standing.value) return;
    standing.since = undefined;
    void this.#write({ uid, namespace, name }, standing, retryMs.first);
  }

  /** Nothing is told of the Pod any more. */
  forget(uid: string): void {
    this.#wanted.get(uid)?.retry?.cancel();
    this.#wanted.delete(uid);
  }

  /** Gives up what could not be written yet. */
  close(): void {
    for (const { retry } of this.#wanted.values()) retry?.cancel();
    this.#wanted.clear();
  }

  async #write(pod: NamedPod, standing: Standing, pauseMs: number): Promise<void> {
    const { api, clock, log } = this.#options;
    const { uid, namespace, name } = pod;
    const annotations = { [redirectionAnnotation]: standing.value ?? null };
    try {
      const patch = { kind: "merge", value: { metadata: { uid, annotations } } } as const;
      const written = await api.patchStatus(podResource, { namespace, name }, patch);
      standing.since = BigInt(written.metadata.resourceVersion);
    } catch (error) {
      if (isNotFound(error) || this.#wanted.get(uid) !== standing) return;
      log.warn("redirection not told", { pod: name, namespace, error: errorText(error) });
      const next = Math.min(pauseMs * 2, retryMs.longest);
      standing.retry = clock.after(pauseMs, () => void this.#write(pod, standing, next));
    }
  }
}

function isRedirection(value: string | undefined): value is Redirection {
  return value === undefined || value === "enabled" || value === "pending";
}

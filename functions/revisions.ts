/** The revisions of the mesh as the API tells them: verified, their bundles fetched ahead, their instances stopped when they are deleted. */
import type { ObjectEvent } from "#host/kube/kube-client.ts";
import type { RevisionObject } from "#host/kube/known-resources.ts";
import type { Log } from "#host/log.ts";
import { errorText } from "#host/mesh-error.ts";
import type { Revision, RevisionBook } from "./revision.ts";

/** What following revisions needs. */
export interface RevisionsOptions {
  readonly log: Log;
  /** Why a revision must not run, such as a wrong signature; undefined when it may. */
  readonly findRefusal: (revision: Omit<Revision, "refusal">) => string | undefined;
  /** Gets what an activation will need ahead of time. */
  readonly prefetch: (revision: Revision) => Promise<void>;
  /** A revision is gone: stops what runs of it and forgets what is kept for it. */
  readonly onDeleted: (revision: Revision) => void;
}

/** See the file's opening. */
export class Revisions implements RevisionBook {
  readonly #options: RevisionsOptions;
  readonly #known = new Map<string, Revision>();

  constructor(options: RevisionsOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#known.size;
  }

  find(uid: string): Revision | undefined {
    return this.#known.get(uid);
  }

  /** What there is, without what may be confidential. */
  report(): { readonly revision: string; readonly bundle: string; readonly refusal: string | undefined }[] {
    return Array.from(this.#known.values(), ({ uid, spec, refusal }) => ({
      revision: uid,
      bundle: spec.bundle,
      refusal,
    }));
  }

  /** Digests of the bundles that some revision names. */
  bundlesInUse(): Set<string> {
    return new Set(Array.from(this.#known.values(), ({ spec }) => spec.bundle));
  }

  /** `<namespace>/<name>` of the Secrets that some revision names. */
  secretsInUse(): Set<string> {
    const names = [...this.#known.values()].flatMap(({ namespace, spec }) =>
      Object.values(spec.secrets).map(({ secret }) => `${namespace}/${secret}`),
    );
    return new Set(names);
  }

  /** Takes a change up. A spec never changes, so what is known already is left as it is, unless it was another object of that name. */
  onEvent(event: ObjectEvent<RevisionObject>): void {
    const { metadata, spec } = event.object;
    const uid = `${metadata.namespace}/${metadata.name}`;
    const known = this.#known.get(uid);
    if (event.type === "DELETED") {
      if (known === undefined) return;
      this.#known.delete(uid);
      this.#options.onDeleted(known);
      return;
    }
    if (known !== undefined && known.spec.signature === spec.signature && known.spec.bundle === spec.bundle)
      return;
    if (known !== undefined) this.#options.onDeleted(known);
    this.#add({ uid, namespace: metadata.namespace, name: metadata.name, spec });
  }

  #add(given: Omit<Revision, "refusal">): void {
    const { log, findRefusal, prefetch } = this.#options;
    const revision = { ...given, refusal: findRefusal(given) };
    this.#known.set(revision.uid, revision);
    if (revision.refusal !== undefined) {
      log.error("revision refused", { revision: revision.uid, reason: revision.refusal });
      return;
    }
    prefetch(revision).catch((error: unknown) => {
      // Not lost: the activation asks again, and reports it to whoever waits.
      log.warn("revision not fetched ahead", { revision: revision.uid, error: errorText(error) });
    });
  }
}

/** Answers `activate`: an instance that runs, one that is starting, or a new one, leased to whoever asks. What is given is decided in core/scale. */
import { type Backoff, backoffMs } from "#core/scale/backoff.ts";
import { decideActivation, decideFurtherActivation } from "#core/scale/decide-activation.ts";
import type { Log } from "#host/log.ts";
import { MeshError } from "#host/mesh-error.ts";
import type { Revision, RevisionBook } from "../revision.ts";
import type { Instance, LeaseHolder, Rung } from "./instance.ts";
import type { Instances } from "./instances.ts";
import { type StartDependencies, startInstance, type StartOutcome } from "./start-instance.ts";

/** What activation needs. */
export interface ActivatorOptions extends StartDependencies {
  readonly revisions: RevisionBook;
  readonly instances: Instances;
  readonly log: Log;
  /** How long a revision that failed to load is refused at once. */
  readonly failure: Backoff;
  /** A start ended, for metrics. */
  readonly onStarted: (outcome: StartOutcome, tookMs: number) => void;
}

/** What a caller asks for. */
export interface ActivationRequest {
  /** `<namespace>/<name>` */
  readonly revision: string;
  /** Whether all instances that the caller holds are full. */
  readonly isFurther: boolean;
  readonly holder: LeaseHolder;
}

/** A leased instance. */
export interface Activation {
  readonly instance: Instance;
  readonly rung: Rung;
}

interface Failure {
  readonly count: number;
  readonly untilMs: number;
  readonly error: MeshError;
}

const noStarts: readonly Promise<Instance>[] = [];

/** See the file's opening. */
export class Activator {
  readonly #options: ActivatorOptions;
  readonly #starting = new Map<string, Set<Promise<Instance>>>();
  readonly #failures = new Map<string, Failure>();
  #isClosed = false;

  constructor(options: ActivatorOptions) {
    this.#options = options;
  }

  /** How many instances are on their way. */
  get starting(): number {
    let count = 0;
    for (const starts of this.#starting.values()) count += starts.size;
    return count;
  }

  /**
   * Leases an instance of a revision.
   * @throws MeshError `not-found`, `limit-reached` at scale.max, `timeout`, `unavailable` with the reason of a failed load
   */
  async activate(request: ActivationRequest): Promise<Activation> {
    const revision = this.#runnable(request.revision);
    const { instances } = this.#options;
    const starts = this.#starting.get(revision.uid);
    const scale = {
      running: instances.runningOf(revision.uid, request.holder),
      starting: starts?.size ?? 0,
      max: revision.spec.scale.max,
    };
    const decision = request.isFurther ? decideFurtherActivation(scale) : decideActivation(scale);
    switch (decision.kind) {
      case "use":
        return { instance: this.#lease(decision.id, request), rung: "running" };
      case "join": {
        const instance = await Promise.any(starts ?? noStarts).catch(firstError);
        return { instance: this.#lease(instance.id, request), rung: instance.rung };
      }
      case "start": {
        this.#refuseAfterFailure(revision);
        const instance = await this.#start(revision, request.holder);
        return { instance: this.#lease(instance.id, request), rung: instance.rung };
      }
      case "refuse":
        throw new MeshError("limit-reached", `Cannot activate ${revision.uid}: ${decision.reason}`);
    }
    return decision satisfies never;
  }

  /** Forgets what failed: the revision is gone or another one. */
  forget(revision: string): void {
    this.#failures.delete(revision);
  }

  /** Refuses everything from now on and waits for the starts under way. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.allSettled([...this.#starting.values()].flatMap((starts) => [...starts]));
  }

  #runnable(uid: string): Revision {
    if (this.#isClosed) throw new MeshError("unavailable", `Cannot activate ${uid}: the node runtime stops`);
    const revision = this.#options.revisions.find(uid);
    if (revision === undefined) {
      throw new MeshError("not-found", `Cannot activate ${uid}: there is no such revision on this node`);
    }
    if (revision.refusal === undefined) return revision;
    throw new MeshError("unavailable", `Cannot activate ${uid}: ${revision.refusal}`);
  }

  #refuseAfterFailure(revision: Revision): void {
    const failure = this.#failures.get(revision.uid);
    if (failure !== undefined && this.#options.clock.monotonicMs() < failure.untilMs) throw failure.error;
  }

  #lease(id: string, { holder, revision }: ActivationRequest): Instance {
    const instance = this.#options.instances.lease(id, holder);
    if (instance !== undefined) return instance;
    throw new MeshError(
      "unavailable",
      `Cannot lease an instance of ${revision}: it ended at once, or its caller left`,
    );
  }

  #start(revision: Revision, holder: LeaseHolder): Promise<Instance> {
    const starts = this.#starting.get(revision.uid) ?? new Set();
    this.#starting.set(revision.uid, starts);
    const start = this.#startAndRegister(revision, holder).finally(() => {
      starts.delete(start);
      if (starts.size === 0) this.#starting.delete(revision.uid);
    });
    starts.add(start);
    return start;
  }

  async #startAndRegister(revision: Revision, holder: LeaseHolder): Promise<Instance> {
    const { clock, instances, revisions, log, onStarted } = this.#options;
    const beganMs = clock.monotonicMs();
    const outcome = await startInstance(this.#options, revision, (coming) => holder.onComing(coming));
    onStarted(outcome, clock.monotonicMs() - beganMs);
    if (outcome.kind === "started") {
      this.#failures.delete(revision.uid);
      instances.add(outcome.instance);
      if (revisions.find(revision.uid) === undefined) void instances.stopRevision(revision.uid);
      return outcome.instance;
    }
    const { error, fault } = outcome;
    log.warn("activation failed", { revision: revision.uid, code: error.code, reason: error.message });
    if (fault === "revision") this.#remember(revision, error);
    throw error;
  }

  #remember(revision: Revision, error: MeshError): void {
    const { failure, clock } = this.#options;
    const count = (this.#failures.get(revision.uid)?.count ?? 0) + 1;
    const untilMs = clock.monotonicMs() + backoffMs(failure, count);
    this.#failures.set(revision.uid, { count, untilMs, error });
  }
}

function firstError(thrown: unknown): never {
  throw thrown instanceof AggregateError ? thrown.errors[0] : thrown;
}

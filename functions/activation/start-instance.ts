/** Brings one instance into being: a slot is taken, ztunnel learns whose it is while the bundle is loaded into it. Decides nothing. */
import type { Clock } from "#host/clock.ts";
import { errorText, MeshError, meshErrorCode } from "#host/mesh-error.ts";
import type { Revision } from "../revision.ts";
import type { ComingInstance, Instance } from "./instance.ts";
import type { LoadedFunction, Slot, SlotSource, TakenSlot } from "./slot-port.ts";

/** What starting needs. */
export interface StartDependencies {
  readonly slots: SlotSource;
  /** The bytes of a bundle by its digest. */
  readonly readBundle: (digest: string) => Promise<Uint8Array>;
  /** Variables and secrets together. */
  readonly resolveEnv: (revision: Revision) => Promise<Readonly<Record<string, string>>>;
  readonly clock: Clock;
  /** An id for a new instance of that revision. */
  readonly newInstanceId: (revision: Revision) => string;
}

/** What came of a start. */
export type StartOutcome =
  | { readonly kind: "started"; readonly instance: Instance }
  /** Whose fault it was: a revision that does not load is left alone for a while, one that found no slot is not. */
  | { readonly kind: "failed"; readonly error: MeshError; readonly fault: "revision" | "node" };

/**
 * Starts an instance within the revision's activation timeout; nothing is left of a start that fails.
 * @param onComing told as soon as the slot is known and ztunnel has been told whose it is, before the function has loaded
 */
export async function startInstance(
  dependencies: StartDependencies,
  revision: Revision,
  onComing: (coming: ComingInstance) => void,
): Promise<StartOutcome> {
  const { clock } = dependencies;
  const { activationTimeoutMs } = revision.spec.scale;
  const startedMs = clock.monotonicMs();
  const leftMs = (): number => Math.max(1, activationTimeoutMs - (clock.monotonicMs() - startedMs));
  try {
    const content = readContent(dependencies, revision);
    content.catch(() => undefined); // it is awaited below, after the slot
    const taken = await dependencies.slots.take(leftMs());
    const id = dependencies.newInstanceId(revision);
    return await fillSlot(taken, { id, revision, content, leftMs, clock, onComing });
  } catch (thrown) {
    return { kind: "failed", error: asMeshError(thrown), fault: "node" };
  }
}

interface Content {
  readonly bundle: Uint8Array;
  readonly env: Readonly<Record<string, string>>;
}

async function readContent(dependencies: StartDependencies, revision: Revision): Promise<Content> {
  const [bundle, env] = await Promise.all([
    dependencies.readBundle(revision.spec.bundle),
    dependencies.resolveEnv(revision),
  ]);
  return { bundle, env };
}

interface Filling {
  readonly id: string;
  readonly revision: Revision;
  readonly content: Promise<Content>;
  readonly leftMs: () => number;
  readonly clock: Clock;
  readonly onComing: (coming: ComingInstance) => void;
}

/** The load has its own time limit, whose error says more: it comes first. */
const slackMs = 250;

async function fillSlot({ slot, rung }: TakenSlot, filling: Filling): Promise<StartOutcome> {
  const { id, revision, clock } = filling;
  let fault: "revision" | "node" = "node";
  const load = async (): Promise<LoadedFunction> => {
    const { bundle, env } = await filling.content;
    const { namespace, name, spec } = revision;
    const timeoutMs = filling.leftMs();
    const request = { instance: id, namespace, revision: name, spec, bundle, env, timeoutMs, isCheck: false };
    return slot.load(request).catch((error: unknown) => {
      fault = "revision";
      throw error;
    });
  };
  try {
    const loading = load();
    const assigning = assignTo(slot, revision, loading);
    // ztunnel has been told, and hears it before a connection that is only now begun.
    filling.onComing({ id, revision, address: slot.address });
    const work = Promise.all([loading, assigning]);
    const [loaded] = await withDeadline(clock, filling.leftMs() + slackMs, revision, work);
    const instance = { id, revision, slot, loaded, rung, startedAtMs: clock.nowMs() };
    return { kind: "started", instance };
  } catch (thrown) {
    const failed: StartOutcome = { kind: "failed", error: asMeshError(thrown), fault };
    await slot.destroy();
    return failed;
  }
}

async function assignTo(
  slot: Slot,
  { uid, namespace, spec }: Revision,
  loading: Promise<LoadedFunction>,
): Promise<void> {
  try {
    // Policies come with the revision's template, by discovery; the node knows no others.
    await slot.assign({ revision: uid, namespace, serviceAccount: spec.serviceAccountName, policies: [] });
  } catch (error) {
    // The slot went away under it: why it did is the load's to say.
    if (meshErrorCode(error) === "canceled") await loading;
    throw error;
  }
}

async function withDeadline<T>(
  clock: Clock,
  leftMs: number,
  revision: Revision,
  work: Promise<T>,
): Promise<T> {
  const late = Promise.withResolvers<never>();
  const { activationTimeoutMs } = revision.spec.scale;
  const text = `Cannot start ${revision.uid} within scale.activationTimeoutMs ${activationTimeoutMs}: it is still loading`;
  const timer = clock.after(leftMs, () => late.reject(new MeshError("timeout", text)));
  try {
    return await Promise.race([work, late.promise]);
  } finally {
    timer.cancel();
  }
}

function asMeshError(thrown: unknown): MeshError {
  return thrown instanceof MeshError ? thrown : new MeshError("io-failed", errorText(thrown), thrown);
}

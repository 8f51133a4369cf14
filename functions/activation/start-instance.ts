/** Brings one instance into being: a slot is taken, ztunnel learns whose it is, and only then the function is loaded. Decides nothing. */
import type { Clock } from "#host/clock.ts";
import { errorText, MeshError } from "#host/mesh-error.ts";
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

/** What is under way, in this order; `over` when the time was up before the end. */
interface Progress {
  step: "reading" | "placing" | "assigning" | "loading" | "over";
}

/** The load has its own time limit, whose error says more: it comes first. */
const slackMs = 250;

async function fillSlot({ slot, rung }: TakenSlot, filling: Filling): Promise<StartOutcome> {
  const { id, revision, clock } = filling;
  const progress: Progress = { step: "reading" };
  try {
    const loaded = await withDeadline(filling, progress, specialise(slot, filling, progress));
    return { kind: "started", instance: { id, revision, slot, loaded, rung, startedAtMs: clock.nowMs() } };
  } catch (thrown) {
    const fault = progress.step === "placing" || progress.step === "loading" ? "revision" : "node";
    progress.step = "over";
    await slot.destroy();
    return { kind: "failed", error: asMeshError(thrown), fault };
  }
}

/** The content is read and put in while ztunnel hears whose the slot is; user code runs only once it has said that it knows. */
async function specialise(slot: Slot, filling: Filling, progress: Progress): Promise<LoadedFunction> {
  const { id, revision } = filling;
  const { uid, namespace, name, spec } = revision;
  // Policies come with the revision's template, by discovery; the node knows no others.
  const assigned = slot.assign({
    revision: uid,
    namespace,
    serviceAccount: spec.serviceAccountName,
    policies: [],
  });
  assigned.catch(() => undefined); // it is awaited below, after the content
  // ztunnel has been told, and hears it before a connection that is only now begun.
  filling.onComing({ id, revision, address: slot.address });
  const { bundle, env } = await filling.content;
  goOn(progress, "placing", revision);
  slot.place(bundle, spec);
  goOn(progress, "assigning", revision);
  await assigned;
  goOn(progress, "loading", revision);
  const timeoutMs = filling.leftMs();
  return await slot.load({ instance: id, namespace, revision: name, spec, env, timeoutMs, isCheck: false });
}

/** A slot that was given up meanwhile is somebody else's soon: nothing is put into it any more. */
function goOn(progress: Progress, step: Progress["step"], { uid }: Revision): void {
  if (progress.step === "over")
    throw new MeshError("canceled", `Cannot start ${uid}: its start was given up`);
  progress.step = step;
}

const unfinished: Readonly<Record<Progress["step"], string>> = {
  reading: "its bundle and secrets have not been read",
  placing: "its bundle is still being written",
  assigning: "ztunnel has not taken its identity",
  loading: "it is still loading",
  over: "it was given up",
};

async function withDeadline<T>(filling: Filling, progress: Progress, work: Promise<T>): Promise<T> {
  const { clock, leftMs, revision } = filling;
  const late = Promise.withResolvers<never>();
  const { activationTimeoutMs } = revision.spec.scale;
  const timer = clock.after(leftMs() + slackMs, () => {
    const text = `Cannot start ${revision.uid} within scale.activationTimeoutMs ${activationTimeoutMs}: ${unfinished[progress.step]}`;
    late.reject(new MeshError("timeout", text));
  });
  try {
    return await Promise.race([work, late.promise]);
  } finally {
    timer.cancel();
  }
}

function asMeshError(thrown: unknown): MeshError {
  return thrown instanceof MeshError ? thrown : new MeshError("io-failed", errorText(thrown), thrown);
}

/** Answers `check`: whether a revision's bundle loads and what it exports, tried in a slot that is then thrown away. */
import type { RevisionSpec } from "#core/release/function-spec.ts";
import { errorText, meshErrorCode } from "#host/mesh-error.ts";
import type { SlotSource } from "./activation/slot-port.ts";
import type { Revision } from "./revision.ts";

/** A revision that may not exist yet. */
export interface CheckedRevision {
  readonly namespace: string;
  readonly name: string;
  readonly spec: RevisionSpec;
}

/** What came of a check. */
export type CheckResult =
  | { readonly loaded: true; readonly handlers: readonly string[] }
  | { readonly loaded: false; readonly reason: string };

/** What checking needs. */
export interface CheckDependencies {
  readonly slots: SlotSource;
  readonly readBundle: (digest: string) => Promise<Uint8Array>;
  readonly resolveEnv: (revision: Revision) => Promise<Readonly<Record<string, string>>>;
}

/**
 * Loads a revision without giving it an identity: ztunnel passes nothing for it, so code that runs at import reaches nobody.
 * @throws MeshError for what is not the revision's fault: no slot, no bundle to be had
 */
export async function checkRevision(
  dependencies: CheckDependencies,
  checked: CheckedRevision,
): Promise<CheckResult> {
  const { namespace, name, spec } = checked;
  const revision: Revision = { uid: `${namespace}/${name}`, namespace, name, spec, refusal: undefined };
  let env: Readonly<Record<string, string>>;
  try {
    env = await dependencies.resolveEnv(revision);
  } catch (error) {
    if (meshErrorCode(error) !== "bad-input") throw error;
    return { loaded: false, reason: errorText(error) };
  }
  const bundle = await dependencies.readBundle(spec.bundle);
  const timeoutMs = spec.scale.activationTimeoutMs;
  const { slot } = await dependencies.slots.take(timeoutMs);
  try {
    const instance = `${name}-check`;
    slot.place(bundle, spec);
    const request = { instance, namespace, revision: name, spec, env, timeoutMs, isCheck: true };
    const loaded = await slot.load(request);
    const { handlers } = loaded;
    await loaded.stop("stopped");
    return { loaded: true, handlers };
  } catch (error) {
    return { loaded: false, reason: errorText(error) };
  } finally {
    await slot.destroy();
  }
}

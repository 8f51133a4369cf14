/** Whether a change is about the object that is stored, by its name, uid and version. */
import type { KindDefinition } from "./kind.ts";
import { badRequest, conflict, invalid, invalidValue, modifiedMeanwhile, unexplained } from "./refusal.ts";
import type { WorkingMeta } from "./working-object.ts";

/** What is asked for. */
export interface NamedChange {
  readonly target: { readonly kind: KindDefinition };
  readonly name: string;
  /** Whether the new object must name the version it replaces, where its kind asks for it. */
  readonly replaces: boolean;
}

/** Checks metadata as a client sent them against the stored ones. @throws KubeError with the reason. */
export function checkSameObject(change: NamedChange, sent: WorkingMeta, old: WorkingMeta): void {
  checkName(change, sent);
  checkUid(change, sent, old);
  checkVersion(change, sent, old);
}

function checkName({ name }: NamedChange, sent: Partial<WorkingMeta>): void {
  if ((sent.name ?? "") === "") {
    throw badRequest(
      `the name of the object (${name} based on URL) was undeterminable: name must be provided`,
    );
  }
  if (sent.name !== name) {
    throw badRequest(`the name of the object (${sent.name}) does not match the name on the URL (${name})`);
  }
}

function checkUid(
  { target, name, replaces }: NamedChange,
  sent: Partial<WorkingMeta>,
  old: WorkingMeta,
): void {
  const { uid = old.uid } = sent;
  if (uid === old.uid) return;
  if (!replaces) throw invalid(target.kind, name, [invalidValue("metadata.uid", uid, "field is immutable")]);
  const why = `Precondition failed: UID in precondition: ${uid}, UID in object meta: ${old.uid}`;
  throw conflict(target.kind, name, why);
}

function checkVersion(
  { target, name, replaces }: NamedChange,
  sent: Partial<WorkingMeta>,
  old: WorkingMeta,
): void {
  const version = sent.resourceVersion ?? "";
  if (version === "" || version === "0") {
    if (!replaces || !target.kind.needsVersion) return;
    const fault = invalidValue("metadata.resourceVersion", 0, "must be specified for an update");
    throw invalid(target.kind, name, [fault]);
  }
  if (!/^\d+$/.test(version)) {
    throw unexplained(`strconv.ParseUint: parsing ${JSON.stringify(version)}: invalid syntax`);
  }
  if (version !== old.resourceVersion) throw conflict(target.kind, name, modifiedMeanwhile);
}

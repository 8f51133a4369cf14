/**
 * Decides what a node says next to one ztunnel about its Pods: what it should hold minus what it acknowledged (ZDS).
 * Not the wire: see zds.proto for that.
 *
 * A Pod on one connection: unknown --Add--> served --Del--> unknown; a Del that drains leaves its open connections alone. A Keep, before the
 * snapshot ends, says that what is served from an earlier connection stays.
 */

/**
 * A Pod that ztunnel is to know of: to be served; to be kept as it is served, by a node that has just started and does not hold it yet;
 * leaving the mesh alive. What is none of these is gone.
 */
export interface DesiredPod {
  readonly uid: string;
  readonly state: "served" | "kept" | "leaving";
}

/** What one ztunnel has acknowledged. */
export interface AcknowledgedPods {
  readonly added: ReadonlySet<string>;
  readonly kept: ReadonlySet<string>;
  /** Refused lately: left alone until they are taken off this list. */
  readonly refused: ReadonlySet<string>;
  readonly isSnapshotSent: boolean;
  /** Only the latest connection is given Pods; older ones, which drain, hear of those that are gone. */
  readonly isLatest: boolean;
}

/** One request. */
export type NextPodRequest =
  | { readonly kind: "add" | "keep"; readonly uid: string }
  | { readonly kind: "del"; readonly uid: string; readonly drain: boolean }
  | { readonly kind: "snapshot-sent" };

/** The next request, or undefined when there is nothing to say. What is gone comes first, because its namespace is about to vanish. */
export function nextPodRequest(
  desired: ReadonlyMap<string, DesiredPod>,
  known: AcknowledgedPods,
): NextPodRequest | undefined {
  for (const uid of [...known.added, ...known.kept]) {
    const pod = desired.get(uid);
    if (pod === undefined || pod.state === "leaving") return { kind: "del", uid, drain: pod !== undefined };
  }
  if (!known.isLatest) return undefined;
  const toTell = [...desired.values()].find((pod) => isToTell(pod, known));
  if (toTell !== undefined) return { kind: toTell.state === "kept" ? "keep" : "add", uid: toTell.uid };
  return known.isSnapshotSent ? undefined : { kind: "snapshot-sent" };
}

function isToTell({ uid, state }: DesiredPod, known: AcknowledgedPods): boolean {
  if (state === "leaving" || known.refused.has(uid)) return false;
  if (state === "served") return !known.added.has(uid);
  return !known.isSnapshotSent && !known.kept.has(uid);
}

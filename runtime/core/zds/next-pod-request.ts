/**
 * Decides what a node says next to one ztunnel about its Pods: what it should hold minus what it acknowledged (ZDS).
 * Not the wire: see zds.proto for that.
 *
 * A Pod on one connection: unknown --Add--> served --Del--> unknown; a Del that drains leaves its open connections alone.
 */

/** A Pod that ztunnel is to know of: served, or leaving the mesh alive. What is neither is gone. */
export interface DesiredPod {
  readonly uid: string;
  readonly isLeaving: boolean;
}

/** What one ztunnel has acknowledged. */
export interface AcknowledgedPods {
  readonly added: ReadonlySet<string>;
  /** Refused lately: left alone until they are taken off this list. */
  readonly refused: ReadonlySet<string>;
  readonly isSnapshotSent: boolean;
  /** Only the latest connection is given Pods; older ones, which drain, hear of those that are gone. */
  readonly isLatest: boolean;
}

/** One request. */
export type NextPodRequest =
  | { readonly kind: "add"; readonly uid: string }
  | { readonly kind: "del"; readonly uid: string; readonly drain: boolean }
  | { readonly kind: "snapshot-sent" };

/** The next request, or undefined when there is nothing to say. What is gone comes first, because its namespace is about to vanish. */
export function nextPodRequest(
  desired: ReadonlyMap<string, DesiredPod>,
  known: AcknowledgedPods,
): NextPodRequest | undefined {
  for (const uid of known.added) {
    const pod = desired.get(uid);
    if (pod === undefined || pod.isLeaving) return { kind: "del", uid, drain: pod !== undefined };
  }
  if (!known.isLatest) return undefined;
  for (const { uid, isLeaving } of desired.values()) {
    if (!isLeaving && !known.added.has(uid) && !known.refused.has(uid)) return { kind: "add", uid };
  }
  return known.isSnapshotSent ? undefined : { kind: "snapshot-sent" };
}

/**
 * Decides what a node says next to one ztunnel: what it should hold minus what it acknowledged (ZDS, and its Prepare and Assign).
 * Not the wire: see zds.proto for that.
 *
 * A slot on one connection: unknown --Prepare--> prepared --Assign--> assigned, and --Del--> gone from both.
 */

/** A slot that exists. */
export interface DesiredSlot {
  readonly uid: string;
  /** Whether an instance has it, so that its identity must be known. */
  readonly isAssigned: boolean;
}

/** What one ztunnel has acknowledged. */
export interface Acknowledged {
  readonly prepared: ReadonlySet<string>;
  readonly assigned: ReadonlySet<string>;
  /** Refused lately: left alone until they are taken off this list. */
  readonly refused: ReadonlySet<string>;
  readonly isSnapshotSent: boolean;
  /** Only the latest connection is given slots; older ones, which drain, hear of those that are gone. */
  readonly isLatest: boolean;
}

/** One request. */
export type NextRequest =
  | { readonly kind: "prepare" | "assign" | "del"; readonly uid: string }
  | { readonly kind: "snapshot-sent" };

/**
 * The next request, or undefined when there is nothing to say.
 * Assign comes first, because a caller waits for it; then what is gone, because its namespace is about to vanish;
 * then slots, those with an instance before the spare ones.
 */
export function nextRequest(
  desired: ReadonlyMap<string, DesiredSlot>,
  known: Acknowledged,
): NextRequest | undefined {
  const toAssign = known.isLatest ? findToAssign(desired, known) : undefined;
  if (toAssign !== undefined) return { kind: "assign", uid: toAssign };
  for (const uid of known.prepared) if (!desired.has(uid)) return { kind: "del", uid };
  if (!known.isLatest) return undefined;
  const toPrepare = findToPrepare(desired, known);
  if (toPrepare !== undefined) return { kind: "prepare", uid: toPrepare };
  return known.isSnapshotSent ? undefined : { kind: "snapshot-sent" };
}

function findToAssign(desired: ReadonlyMap<string, DesiredSlot>, known: Acknowledged): string | undefined {
  for (const slot of desired.values()) {
    const { uid } = slot;
    if (slot.isAssigned && known.prepared.has(uid) && !known.assigned.has(uid) && !known.refused.has(uid))
      return uid;
  }
  return undefined;
}

function findToPrepare(desired: ReadonlyMap<string, DesiredSlot>, known: Acknowledged): string | undefined {
  let spare: string | undefined;
  for (const slot of desired.values()) {
    if (known.prepared.has(slot.uid) || known.refused.has(slot.uid)) continue;
    if (slot.isAssigned) return slot.uid;
    spare ??= slot.uid;
  }
  return spare;
}

/** ZDS requests about slots as packets; what to say when is decided in core. */
import type { DesiredSlot, NextRequest } from "#core/zds/next-request.ts";
import { type ZdsPacket, zdsPacket } from "#host/zds/zds-packet.ts";

/** Whose a slot becomes. */
export interface SlotAssignment {
  /** `<namespace>/<revision>` */
  readonly revision: string;
  readonly namespace: string;
  readonly serviceAccount: string;
  /** `<namespace>/<name>` of policies beyond those of the revision's template. */
  readonly policies: readonly string[];
}

/** A slot as ztunnel is told of it. */
export interface SlotRecord extends DesiredSlot {
  /** 4 or 16 bytes each. */
  readonly address: Uint8Array;
  readonly nameserver: Uint8Array;
  /** Its network namespace, then its capture map; open as long as the record is kept. */
  readonly fds: readonly [number, number];
  readonly assignment: SlotAssignment | undefined;
}

/** Writes the packet of a request; `slot` is the record of the request's uid, absent once the slot is gone. */
export function encodeRequest(request: NextRequest, slot: SlotRecord | undefined): ZdsPacket {
  if (request.kind === "snapshot-sent") return zdsPacket({ case: "snapshotSent", value: {} });
  const { kind, uid } = request;
  if (kind === "prepare" && slot !== undefined) {
    const { address, nameserver, fds } = slot;
    return zdsPacket({ case: "prepare", value: { uid, address, nameserver } }, fds);
  }
  if (kind === "assign" && slot?.assignment !== undefined) {
    const { revision, namespace, serviceAccount, policies } = slot.assignment;
    const authorizationPolicies = [...policies];
    return zdsPacket({
      case: "assign",
      value: { uid, revision, namespace, serviceAccount, authorizationPolicies },
    });
  }
  return zdsPacket({ case: "del", value: { uid } });
}

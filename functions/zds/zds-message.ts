/** ZDS requests as packets, and answers read back; what to say when is decided in core. */
import { create, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import type { DesiredSlot, NextRequest } from "#core/zds/next-request.ts";
import {
  Version,
  WorkloadRequestSchema,
  WorkloadResponseSchema,
  ZdsHelloSchema,
} from "#core/proto/istio/zds_pb.js";

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

/** A packet with its descriptors. */
export interface ZdsPacket {
  readonly bytes: Uint8Array;
  readonly fds: readonly number[];
}

/** Writes the packet of a request; `slot` is the record of the request's uid, absent once the slot is gone. */
export function encodeRequest(request: NextRequest, slot: SlotRecord | undefined): ZdsPacket {
  if (request.kind === "snapshot-sent") return packet({ case: "snapshotSent", value: {} });
  const { kind, uid } = request;
  if (kind === "prepare" && slot !== undefined) {
    const { address, nameserver, fds } = slot;
    return packet({ case: "prepare", value: { uid, address, nameserver } }, fds);
  }
  if (kind === "assign" && slot?.assignment !== undefined) {
    const { revision, namespace, serviceAccount, policies } = slot.assignment;
    const authorizationPolicies = [...policies];
    return packet({
      case: "assign",
      value: { uid, revision, namespace, serviceAccount, authorizationPolicies },
    });
  }
  return packet({ case: "del", value: { uid } });
}

type Payload = NonNullable<MessageInitShape<typeof WorkloadRequestSchema>["payload"]>;

function packet(payload: Payload, fds: readonly number[] = []): ZdsPacket {
  return { bytes: toBinary(WorkloadRequestSchema, create(WorkloadRequestSchema, { payload })), fds };
}

/** Whether a connection's first packet greets in the one version there is. */
export function isHello(bytes: Uint8Array): boolean {
  try {
    return fromBinary(ZdsHelloSchema, bytes).version === Version.V1;
  } catch {
    return false; // not a message at all
  }
}

/** Reads an acknowledgement: the peer's error, empty for none; undefined when the packet is something else. */
export function decodeAck(bytes: Uint8Array): string | undefined {
  try {
    const { payload } = fromBinary(WorkloadResponseSchema, bytes);
    return payload.case === "ack" ? payload.value.error : undefined;
  } catch {
    return undefined; // not a message at all
  }
}

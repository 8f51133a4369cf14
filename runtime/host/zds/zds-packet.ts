/** Greeting, acknowledgement and requests of ZDS as packets; who says what when is decided elsewhere. */
import { create, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import {
  Version,
  WorkloadRequestSchema,
  WorkloadResponseSchema,
  ZdsHelloSchema,
} from "#core/proto/istio/zds_pb.js";

/** A packet with its descriptors. */
export interface ZdsPacket {
  readonly bytes: Uint8Array;
  readonly fds: readonly number[];
}

/** What a request carries. */
export type ZdsPayload = NonNullable<MessageInitShape<typeof WorkloadRequestSchema>["payload"]>;

/** Writes the packet of a request. */
export function zdsPacket(payload: ZdsPayload, fds: readonly number[] = []): ZdsPacket {
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

/** A node as ztunnel sees it by ZDS, played by a test: says one request after the other and waits for each acknowledgement. */
import { create, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import {
  Version,
  WorkloadRequestSchema,
  WorkloadResponseSchema,
  ZdsHelloSchema,
} from "#core/proto/istio/zds_pb.js";
import { closeFd, type Libc } from "#host/linux/libc.ts";
import { acceptPackets, listenPackets, receivePacket, sendPacket } from "#host/linux/seqpacket.ts";
import { waitUntil } from "./wait-until.ts";

/** A request's content. */
export type NodeRequest = NonNullable<MessageInitShape<typeof WorkloadRequestSchema>["payload"]>;

/** The node's end. */
export interface ScriptedNode extends Disposable {
  /** Waits for a ztunnel and its greeting. */
  accept(): Promise<void>;
  /** Says something and waits for the acknowledgement: the ztunnel's error, empty for none. */
  say(request: NodeRequest, fds?: readonly number[]): Promise<string>;
  /** Ends the connection; the next `accept` waits for another. */
  hangUp(): void;
}

const limits = { bytesMax: 4096, fdsMax: 0 };

/** Serves the path. */
export function scriptNode(libc: Libc, path: string): ScriptedNode {
  const listener = listenPackets(libc, path);
  let connection = -1;
  const receive = async (): Promise<Buffer> => {
    const received = await waitUntil("ztunnel says something", () => {
      const one = receivePacket(libc, connection, limits);
      return one.kind === "empty" ? undefined : one;
    });
    if (received.kind !== "message") throw new Error(`Cannot read ztunnel's answer: ${received.kind}`);
    return received.message.data;
  };
  const hangUp = (): void => {
    closeFd(libc, connection);
    connection = -1;
  };
  return {
    async accept() {
      connection = await waitUntil("a ztunnel connects", () => acceptPackets(libc, listener));
      const hello = fromBinary(ZdsHelloSchema, await receive());
      if (hello.version !== Version.V1) throw new Error(`Cannot greet a ztunnel of version ${hello.version}`);
    },
    async say(payload, fds = []) {
      const bytes = toBinary(WorkloadRequestSchema, create(WorkloadRequestSchema, { payload }));
      if (!sendPacket(libc, connection, bytes, fds)) throw new Error("Cannot send to ztunnel now");
      const { payload: answer } = fromBinary(WorkloadResponseSchema, await receive());
      if (answer.case !== "ack") throw new Error("Cannot read ztunnel's answer as an acknowledgement");
      return answer.value.error;
    },
    hangUp,
    [Symbol.dispose]() {
      hangUp();
      closeFd(libc, listener);
    },
  };
}

/** A ztunnel that only speaks ZDS: acknowledges what it is told, remembers it, and reaches into slots as a test asks. It carries no traffic of its own. */
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import {
  Version,
  type WorkloadRequest,
  WorkloadRequestSchema,
  WorkloadResponseSchema,
  ZdsHelloSchema,
} from "#core/proto/istio/zds_pb.js";
import { formatIp, type IpAddress } from "#core/address/ip.ts";
import { closeFd, type Libc } from "#host/linux/libc.ts";
import type { Poller } from "#host/linux/poller.ts";
import { connectPackets, type Received, receivePacket, sendPacket } from "#host/linux/seqpacket.ts";
import { startConnect } from "#host/linux/sockets.ts";

/** A slot as this ztunnel knows it. */
export interface KnownSlot {
  readonly uid: string;
  readonly address: IpAddress;
  readonly nameserver: IpAddress;
  readonly namespaceFd: number;
  readonly mapFd: number;
  assigned:
    | { readonly revision: string; readonly namespace: string; readonly serviceAccount: string }
    | undefined;
}

/** A scripted ztunnel. */
export interface ScriptedZtunnel extends Disposable {
  readonly slots: ReadonlyMap<string, KnownSlot>;
  readonly isSnapshotSent: boolean;
  readonly isClosed: boolean;
  /** Why it refuses a request; undefined acknowledges it. */
  refuse: (request: WorkloadRequest["payload"]) => string | undefined;
  /** What its acknowledgement of a request waits for; undefined acknowledges at once. */
  withhold: (request: WorkloadRequest["payload"]) => Promise<void> | undefined;
  /** Asks the instance that has this address, inside its slot: the response's head and body. */
  ask(address: string, path?: string, headers?: Readonly<Record<string, string>>): Promise<string>;
  close(): void;
}

/** Connects and greets. */
export function openScriptedZtunnel(libc: Libc, poller: Poller, socketPath: string): ScriptedZtunnel {
  const fd = connectPackets(libc, socketPath);
  const slots = new Map<string, KnownSlot>();
  let isSnapshotSent = false;
  let isClosed = false;
  sendPacket(libc, fd, toBinary(ZdsHelloSchema, create(ZdsHelloSchema, { version: Version.V1 })));
  const take = ({ payload }: WorkloadRequest, fds: readonly number[]): string => {
    const refusal = ztunnel.refuse(payload);
    if (refusal !== undefined) {
      for (const each of fds) closeFd(libc, each);
      return refusal;
    }
    if (payload.case === "prepare") {
      const { uid, address, nameserver } = payload.value;
      const [namespaceFd, mapFd, ...more] = fds;
      if (namespaceFd === undefined || mapFd === undefined || more.length > 0)
        return "two descriptors belong to Prepare";
      const known = { uid, address: formatIp(address), nameserver: formatIp(nameserver), namespaceFd, mapFd };
      slots.set(uid, { ...known, assigned: undefined });
      return "";
    }
    if (payload.case === "snapshotSent") isSnapshotSent = true;
    const slot =
      payload.case === "assign" || payload.case === "del" ? slots.get(payload.value.uid) : undefined;
    if (payload.case === "assign") {
      if (slot === undefined) return "Assign before Prepare";
      const { revision, namespace, serviceAccount } = payload.value;
      slot.assigned = { revision, namespace, serviceAccount };
    }
    if (payload.case === "del" && slot !== undefined) {
      slots.delete(slot.uid);
      closeFd(libc, slot.namespaceFd);
      closeFd(libc, slot.mapFd);
    }
    return "";
  };
  const receive = (): Received => {
    try {
      return receivePacket(libc, fd, { bytesMax: 65_536, fdsMax: 4 });
    } catch {
      return { kind: "ended" }; // the node runtime was killed
    }
  };
  const acknowledge = (error: string): void => {
    const ack = create(WorkloadResponseSchema, { payload: { case: "ack", value: { error } } });
    try {
      sendPacket(libc, fd, toBinary(WorkloadResponseSchema, ack));
    } catch {
      // The node runtime is gone: the next receive says so.
    }
  };
  const watch = poller.watch(fd, "readable", () => {
    for (;;) {
      const received = receive();
      if (received.kind === "empty") return watch.rearm();
      if (received.kind !== "message") return ztunnel.close();
      const request = fromBinary(WorkloadRequestSchema, received.message.data);
      const error = take(request, received.message.fds);
      const wait = ztunnel.withhold(request.payload);
      if (wait === undefined) acknowledge(error);
      else void wait.then(() => acknowledge(error));
    }
  });
  const ztunnel: ScriptedZtunnel = {
    slots,
    get isSnapshotSent() {
      return isSnapshotSent;
    },
    get isClosed() {
      return isClosed;
    },
    refuse: () => undefined,
    withhold: () => undefined,
    ask(address, path = "/", headers = {}) {
      const slot = [...slots.values()].find((each) => each.address === address);
      if (slot === undefined) throw new Error(`no slot has the address ${address}`);
      return askOnce(libc, slot, requestText(path, headers));
    },
    close() {
      if (isClosed) return;
      isClosed = true;
      watch.close();
      closeFd(libc, fd);
      for (const slot of slots.values())
        for (const each of [slot.namespaceFd, slot.mapFd]) closeFd(libc, each);
    },
    [Symbol.dispose]: () => ztunnel.close(),
  };
  return ztunnel;
}

function requestText(path: string, headers: Readonly<Record<string, string>>): string {
  const lines = Object.entries({ host: "function", connection: "close", ...headers });
  return `GET ${path} HTTP/1.1\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join("")}\r\n`;
}

async function askOnce(libc: Libc, slot: KnownSlot, text: string): Promise<string> {
  const fd = startConnect(libc, slot.namespaceFd, { to: { address: slot.address, port: 8080 } });
  const done = Promise.withResolvers<string>();
  let got = "";
  let isSent = false;
  const options = {
    fd,
    socket: {
      drain(socket: Bun.Socket) {
        if (!isSent) socket.write(text);
        isSent = true;
      },
      data: (_: Bun.Socket, bytes: Buffer) => void (got += bytes.toString()),
      close: () => done.resolve(got),
      error: (_: Bun.Socket, error: Error) => done.reject(error),
    },
  };
  // Sound: Bun takes `fd` here though its types do not say so.
  await Bun.connect(options as unknown as Bun.UnixSocketOptions);
  return done.promise;
}

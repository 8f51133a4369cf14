/** A ztunnel that serves Pods by ZDS without a mesh: it puts listeners into their maps and carries what they capture on in the plain. */
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { formatIp } from "#core/address/ip.ts";
import {
  type LambientPod,
  Version,
  type WorkloadRequest,
  WorkloadRequestSchema,
  WorkloadResponseSchema,
  ZdsHelloSchema,
} from "#core/proto/istio/zds_pb.js";
import { closeFd, type Libc } from "#host/linux/libc.ts";
import type { Poller } from "#host/linux/poller.ts";
import { connectPackets, receivePacket, sendPacket } from "#host/linux/seqpacket.ts";
import { openPodProxy, type PodProxy } from "./pod-proxy.ts";

/** A Pod that it serves or served. */
export interface ServedTestPod {
  readonly proxy: PodProxy;
  readonly told: LambientPod;
  isDrained: boolean;
}

/** It runs. */
export interface PodZtunnel {
  readonly pods: ReadonlyMap<string, ServedTestPod>;
  /** Requests by kind, in order. */
  readonly said: readonly string[];
  readonly isSnapshotSent: boolean;
  /** Why it refuses a request; undefined takes it. */
  refuse: (request: WorkloadRequest["payload"]) => string | undefined;
  /** Ends, and its listeners with it. */
  close(): void;
}

/** Connects and greets. */
export function openPodZtunnel(libc: Libc, poller: Poller, socketPath: string): PodZtunnel {
  const fd = connectPackets(libc, socketPath);
  const pods = new Map<string, ServedTestPod>();
  const said: string[] = [];
  let isOpen = true;
  sendPacket(libc, fd, toBinary(ZdsHelloSchema, create(ZdsHelloSchema, { version: Version.V1 })));
  const take = ({ payload }: WorkloadRequest, fds: readonly number[]): string => {
    said.push(payload.case ?? "unknown");
    const refusal = ztunnel.refuse(payload);
    if (refusal !== undefined) return refusal;
    if (payload.case === "add") {
      const { uid, lambientPod } = payload.value;
      const [namespaceFd, mapFd] = fds;
      if (lambientPod === undefined || namespaceFd === undefined || mapFd === undefined) return "not ours";
      pods.get(uid)?.proxy[Symbol.dispose]();
      const address = formatIp(lambientPod.address);
      const proxy = openPodProxy(libc, { namespaceFd, mapFd, address });
      pods.set(uid, { proxy, told: lambientPod, isDrained: false });
    }
    if (payload.case === "del") {
      const pod = pods.get(payload.value.uid);
      pod?.proxy.drain();
      if (pod !== undefined) pod.isDrained = payload.value.drain;
    }
    return "";
  };
  const onReadable = (): void => {
    for (;;) {
      const received = receive(libc, fd);
      if (received.kind === "empty") return watch.rearm();
      // The node's program may only be starting anew: what is served goes on.
      if (received.kind !== "message") return hangUp();
      const error = take(fromBinary(WorkloadRequestSchema, received.message.data), received.message.fds);
      const ack = create(WorkloadResponseSchema, { payload: { case: "ack", value: { error } } });
      sendPacket(libc, fd, toBinary(WorkloadResponseSchema, ack));
    }
  };
  const hangUp = (): void => {
    if (!isOpen) return;
    isOpen = false;
    watch.close();
    closeFd(libc, fd);
  };
  const watch = poller.watch(fd, "readable", onReadable);
  const ztunnel: PodZtunnel = {
    pods,
    said,
    get isSnapshotSent() {
      return said.includes("snapshotSent");
    },
    refuse: () => undefined,
    close() {
      hangUp();
      for (const { proxy } of pods.values()) proxy[Symbol.dispose]();
    },
  };
  return ztunnel;
}

function receive(libc: Libc, fd: number): ReturnType<typeof receivePacket> {
  try {
    return receivePacket(libc, fd, { bytesMax: 65_536, fdsMax: 2 });
  } catch {
    return { kind: "ended" };
  }
}

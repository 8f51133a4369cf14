/** Learns this node's workloads by ZDS: ztunnel's end of the protocol over a packet socket, connected again for as long as it runs. */
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { formatIp } from "#core/address/ip.ts";
import {
  type Prepare,
  Version,
  type WorkloadRequest,
  WorkloadRequestSchema,
  WorkloadResponseSchema,
  ZdsHelloSchema,
} from "#core/proto/istio/zds_pb.js";
import type { Clock, Timer } from "#host/clock.ts";
import { backoffMs } from "#host/discovery/backoff.ts";
import { closeFd, type Libc } from "#host/linux/libc.ts";
import type { Poller, Watch } from "#host/linux/poller.ts";
import { connectPackets, type PacketMessage, receivePacket, sendPacket } from "#host/linux/seqpacket.ts";
import type { Log } from "#host/log.ts";
import { errorText } from "#host/mesh-error.ts";
import type { Workloads } from "./workloads.ts";

/** What following needs. */
export interface ZdsOptions {
  readonly path: string;
  readonly libc: Libc;
  readonly poller: Poller;
  readonly clock: Clock;
  readonly log: Log;
  readonly workloads: Workloads;
  /** In [0, 1). */
  readonly random: () => number;
}

/** A follower that runs. */
export interface Zds {
  /** Whether the node has said everything there was when the last connection began. */
  readonly isSynced: boolean;
  close(): void;
}

const limits = { bytesMax: 65_536, fdsMax: 2 };
const backoff = { firstMs: 10, longestMs: 1_000, jitter: 0.2 };

/** Starts following; returns at once. */
export function followZds(options: ZdsOptions): Zds {
  const follower = new Follower(options);
  follower.connect();
  return follower;
}

class Follower implements Zds {
  readonly #options: ZdsOptions;
  #fd = -1;
  #watch: Watch | undefined;
  #retry: Timer | undefined;
  #failures = 0;
  #isOpen = true;
  /** Uids named on this connection, until the snapshot is whole; what is not among them is gone then. */
  #named: Set<string> | undefined;
  isSynced = false;

  constructor(options: ZdsOptions) {
    this.#options = options;
  }

  connect(): void {
    const { libc, poller, path, log } = this.#options;
    try {
      this.#fd = connectPackets(libc, path);
      this.#named = new Set();
      sendPacket(libc, this.#fd, toBinary(ZdsHelloSchema, create(ZdsHelloSchema, { version: Version.V1 })));
      this.#watch = poller.watch(this.#fd, "readable", () => this.#onReadable());
      log.info("node connected", { path });
    } catch (error) {
      this.#disconnect(errorText(error));
    }
  }

  close(): void {
    this.#isOpen = false;
    this.#retry?.cancel();
    this.#hangUp();
  }

  #onReadable(): void {
    try {
      while (this.#fd >= 0) {
        const received = receivePacket(this.#options.libc, this.#fd, limits);
        if (received.kind === "empty") return this.#watch?.rearm();
        if (received.kind === "ended") return this.#disconnect("the node hung up");
        if (received.kind === "cut")
          return this.#disconnect("a packet was too long or carried too many descriptors");
        this.#answer(received.message);
      }
    } catch (error) {
      this.#disconnect(errorText(error));
    }
  }

  #answer(message: PacketMessage): void {
    const error = this.#apply(message);
    if (error !== "") this.#options.log.warn("the node's request was refused", { error });
    const response = create(WorkloadResponseSchema, { payload: { case: "ack", value: { error } } });
    if (!sendPacket(this.#options.libc, this.#fd, toBinary(WorkloadResponseSchema, response))) {
      this.#disconnect("the node does not read our answers");
    }
  }

  /** @returns what is answered: empty when all is well. Descriptors that were not taken over are closed. */
  #apply({ data, fds }: PacketMessage): string {
    let areTaken = false;
    try {
      const { payload } = fromBinary(WorkloadRequestSchema, data);
      areTaken = this.#handle(payload, fds);
      this.#failures = 0;
      return "";
    } catch (error) {
      return errorText(error);
    } finally {
      if (!areTaken) for (const fd of fds) closeFd(this.#options.libc, fd);
    }
  }

  /** @returns whether the descriptors were taken over. */
  #handle(payload: WorkloadRequest["payload"], fds: readonly number[]): boolean {
    const { workloads } = this.#options;
    if (payload.case === "prepare") return this.#prepare(payload.value, fds);
    if (payload.case === "add") {
      throw new Error(`Cannot serve workload ${payload.value.uid}: Pods are not served by this version`);
    }
    if (payload.case === undefined || fds.length > 0) {
      throw new Error(
        `Cannot read the node's request: ${payload.case ?? "unknown"} with ${fds.length} descriptors`,
      );
    }
    if (payload.case === "assign") workloads.assign(payload.value);
    else if (payload.case === "del") workloads.remove(payload.value.uid);
    else if (payload.case === "snapshotSent") this.#endSnapshot();
    else this.#keep(payload.value.uid);
    return false;
  }

  #prepare({ uid, address, nameserver }: Prepare, [namespaceFd, mapFd]: readonly number[]): true {
    if (namespaceFd === undefined || mapFd === undefined) {
      throw new Error(`Cannot prepare slot ${uid}: wanted the descriptors of its namespace and its map`);
    }
    const addresses = { address: formatIp(address), nameserver: formatIp(nameserver) };
    this.#options.workloads.prepare({ uid, ...addresses, namespaceFd, mapFd });
    this.#named?.add(uid);
    return true;
  }

  #keep(uid: string): void {
    if (this.#named === undefined) throw new Error("Cannot keep a workload after the snapshot");
    this.#named.add(uid);
  }

  #endSnapshot(): void {
    const named = this.#named ?? new Set<string>();
    this.#named = undefined;
    this.isSynced = true;
    for (const uid of this.#options.workloads.uids) if (!named.has(uid)) this.#options.workloads.remove(uid);
  }

  /** What is served goes on: the node may only be starting anew. */
  #disconnect(reason: string): void {
    this.#hangUp();
    if (!this.#isOpen) return;
    const { clock, log, random } = this.#options;
    const retryInMs = Math.round(backoffMs(backoff, ++this.#failures, random()));
    if (this.#failures === 1) log.warn("node not connected", { reason, retryInMs });
    else log.debug("node not connected", { reason, retryInMs });
    this.#retry = clock.after(retryInMs, () => this.connect());
  }

  #hangUp(): void {
    this.#watch?.close();
    this.#watch = undefined;
    closeFd(this.#options.libc, this.#fd);
    this.#fd = -1;
  }
}

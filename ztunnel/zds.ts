/** Follows a node by ZDS: ztunnel's end of the protocol over a packet socket, connected again for as long as it runs; what is asked is done elsewhere. */
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import {
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

/** What of a request says what is asked. */
export type ZdsPayload = WorkloadRequest["payload"];

/** Who does what a node asks. */
export interface ZdsServed {
  /** Of those that this node has named. */
  readonly uids: readonly string[];
  /**
   * Does it.
   * @returns whether the descriptors were taken over
   * @throws when it cannot be done; the node is told why
   */
  handle(payload: ZdsPayload, fds: readonly number[]): boolean;
  /** The node has said everything there is, and this was not among it. */
  onUnnamed(uid: string): void;
}

/** What following needs. */
export interface ZdsOptions {
  /** Who serves the path, for logs. */
  readonly node: string;
  readonly path: string;
  readonly libc: Libc;
  readonly poller: Poller;
  readonly clock: Clock;
  readonly log: Log;
  readonly served: ZdsServed;
  /** The path may have nobody for long: said at debug level only, and tried again sooner. */
  readonly isOptional: boolean;
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
/** A Pod that starts waits for this. */
const optionalBackoff = { ...backoff, longestMs: 200 };

/** Starts following; returns at once. @param after settles when the first connection may be made */
export function followZds(options: ZdsOptions, after?: Promise<void>): Zds {
  const follower = new Follower(options);
  if (after === undefined) follower.connect();
  else void after.then(() => follower.connect());
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
    if (!this.#isOpen) return;
    const { libc, poller, path, log, node } = this.#options;
    try {
      this.#fd = connectPackets(libc, path);
      this.#named = new Set();
      sendPacket(libc, this.#fd, toBinary(ZdsHelloSchema, create(ZdsHelloSchema, { version: Version.V1 })));
      this.#watch = poller.watch(this.#fd, "readable", () => this.#onReadable());
      log.info("node connected", { node, path });
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
  #handle(payload: ZdsPayload, fds: readonly number[]): boolean {
    if (payload.case === "keep" || payload.case === "snapshotSent" || payload.case === undefined) {
      if (payload.case === undefined || fds.length > 0) throw unreadable(payload.case, fds);
      if (payload.case === "keep") this.#keep(payload.value.uid);
      else this.#endSnapshot();
      return false;
    }
    const areTaken = this.#options.served.handle(payload, fds);
    if (payload.case === "prepare" || payload.case === "add") this.#named?.add(payload.value.uid);
    return areTaken;
  }

  #keep(uid: string): void {
    if (this.#named === undefined) throw new Error("Cannot keep a workload after the snapshot");
    this.#named.add(uid);
  }

  #endSnapshot(): void {
    const named = this.#named ?? new Set<string>();
    this.#named = undefined;
    this.isSynced = true;
    const { served } = this.#options;
    for (const uid of served.uids) if (!named.has(uid)) served.onUnnamed(uid);
  }

  /** What is served goes on: the node may only be starting anew. */
  #disconnect(reason: string): void {
    this.#hangUp();
    if (!this.#isOpen) return;
    const { clock, log, random, node, isOptional } = this.#options;
    const pace = isOptional ? optionalBackoff : backoff;
    const retryInMs = Math.round(backoffMs(pace, ++this.#failures, random()));
    const isNews = this.#failures === 1 && !(isOptional && !this.isSynced);
    log[isNews ? "warn" : "debug"]("node not connected", { node, reason, retryInMs });
    this.#retry = clock.after(retryInMs, () => this.connect());
  }

  #hangUp(): void {
    this.#watch?.close();
    this.#watch = undefined;
    closeFd(this.#options.libc, this.#fd);
    this.#fd = -1;
  }
}

/** What a node says when its request is not one that it may make. */
export function unreadable(what: string | undefined, fds: readonly number[]): Error {
  return new Error(`Cannot read the node's request: ${what ?? "unknown"} with ${fds.length} descriptors`);
}

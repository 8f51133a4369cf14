/** Every captured Pod of the node as ztunnel must know it (ZDS, the node's side). A Pod counts as served only once the latest ztunnel said so. */
import { ipBytes, type IpAddress } from "#core/address/ip.ts";
import { type DesiredPod, type NextPodRequest, nextPodRequest } from "#core/zds/next-pod-request.ts";
import type { PacketConnection, PacketHandlers } from "#host/zds/packet-port.ts";
import { ZdsHub, type ZdsHubOptions } from "#host/zds/zds-hub.ts";
import { type ZdsPacket, zdsPacket } from "#host/zds/zds-packet.ts";

/** A Pod as ztunnel is told of it. */
export interface PodRecord {
  readonly uid: string;
  readonly name: string;
  readonly namespace: string;
  readonly serviceAccount: string;
  readonly address: IpAddress;
  readonly nameserver: IpAddress;
  readonly capturesInbound: boolean;
  readonly capturesDns: boolean;
  /** Its network namespace, then its capture map; open as long as the record is kept. */
  readonly fds: readonly [number, number];
}

/** What the server needs besides. */
export interface PodZdsOptions extends ZdsHubOptions {
  /** Keys of the policies that hold for a Pod now; asked whenever it is told of. */
  readonly policyKeys: (uid: string) => readonly string[];
  /** ztunnel's listeners of one Pod, or of all, may have come or gone. */
  readonly onListeners: (uid: string | undefined) => void;
}

interface Told extends DesiredPod {
  /** Absent for one that is kept. */
  readonly record: PodRecord | undefined;
}

/** See the file's opening. */
export class PodZds {
  readonly #options: PodZdsOptions;
  readonly #pods = new Map<string, Told>();
  readonly #hub: ZdsHub<NextPodRequest>;

  constructor(options: PodZdsOptions) {
    this.#options = options;
    this.#hub = new ZdsHub(options, {
      noun: "Pod",
      onAccepted: options.onListeners,
      onLost: () => options.onListeners(undefined),
      next: (known) =>
        nextPodRequest(this.#pods, {
          added: known.acknowledged("add"),
          kept: known.acknowledged("keep"),
          refused: known.refused,
          isSnapshotSent: known.isSnapshotSent,
          isLatest: known.isLatest,
        }),
      encode: (request) => this.#encode(request),
    });
  }

  /** Whether a ztunnel is connected and knows every Pod there was when it came. */
  get isSynced(): boolean {
    return this.#hub.isSynced;
  }

  /** Whether a ztunnel is connected. */
  get isConnected(): boolean {
    return this.#hub.isConnected;
  }

  /** Takes a connection; undefined refuses it. */
  accept(connection: PacketConnection): PacketHandlers | undefined {
    return this.#hub.accept(connection);
  }

  /** Whether ztunnel serves the Pod. */
  isServed(uid: string): boolean {
    return this.#hub.holds("add", uid);
  }

  /** A Pod that was served before this program began stays served until it is added, let go or removed. Called before the first ztunnel comes. */
  keep(uid: string): void {
    this.#pods.set(uid, { uid, state: "kept", record: undefined });
  }

  /**
   * Makes a Pod known, or known otherwise, and waits until ztunnel serves it so, for as long as it takes one to come to it: many may be
   * before it. It stays known when that fails.
   * @throws MeshError `unavailable` when ztunnel refuses; `canceled` when the Pod is let go or goes away
   */
  async add(record: PodRecord): Promise<void> {
    const { uid } = record;
    this.#pods.set(uid, { uid, state: "served", record });
    const served = this.#hub.wait("add", uid);
    this.#hub.repeat(uid);
    await served;
  }

  /** Has a Pod said again, because ztunnel has lost something of it. */
  repeat(uid: string): void {
    this.#hub.repeat(uid);
  }

  /** The Pod leaves the mesh alive: its connections go on. */
  letGo(uid: string): void {
    const known = this.#pods.get(uid);
    if (known === undefined) return;
    this.#pods.set(uid, { ...known, state: "leaving" });
    this.#hub.giveUp(uid);
    this.#hub.advance();
  }

  /** The Pod is gone. Its descriptors may be closed at once: they were passed, not lent. */
  remove(uid: string): void {
    if (!this.#pods.delete(uid)) return;
    this.#hub.giveUp(uid);
    this.#hub.advance();
  }

  /** Drops every connection and every wait. */
  close(): void {
    this.#hub.close();
  }

  #encode(request: NextPodRequest): ZdsPacket {
    if (request.kind === "snapshot-sent") return zdsPacket({ case: "snapshotSent", value: {} });
    const { uid } = request;
    if (request.kind === "keep") return zdsPacket({ case: "keep", value: { uid } });
    const record = this.#pods.get(uid)?.record;
    if (request.kind === "del" || record === undefined) {
      return zdsPacket({ case: "del", value: { uid, drain: request.kind === "del" && request.drain } });
    }
    const { name, namespace, serviceAccount, address, nameserver, capturesInbound, capturesDns, fds } =
      record;
    const lambientPod = {
      address: ipBytes(address),
      nameserver: ipBytes(nameserver),
      authorizationPolicies: [...this.#options.policyKeys(uid)],
      capturesInbound,
      capturesDns,
    };
    const workloadInfo = { name, namespace, serviceAccount };
    return zdsPacket({ case: "add", value: { uid, workloadInfo, lambientPod } }, fds);
  }
}

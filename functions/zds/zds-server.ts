/**
 * Every slot of the node as ztunnel must know it (ZDS, the node's side).
 * A slot counts as prepared or assigned only once the latest ztunnel said so.
 */
import { type NextRequest, nextRequest } from "#core/zds/next-request.ts";
import { MeshError } from "#host/mesh-error.ts";
import type { PacketConnection, PacketHandlers } from "#host/zds/packet-port.ts";
import { ZdsHub, type ZdsHubOptions } from "#host/zds/zds-hub.ts";
import { encodeRequest, type SlotAssignment, type SlotRecord } from "./zds-message.ts";

/** A slot to make known. */
export type NewSlotRecord = Omit<SlotRecord, "assignment" | "isAssigned">;

/** See the file's opening. */
export class ZdsServer {
  readonly #options: ZdsHubOptions;
  readonly #slots = new Map<string, SlotRecord>();
  readonly #hub: ZdsHub<NextRequest>;

  constructor(options: ZdsHubOptions) {
    this.#options = options;
    this.#hub = new ZdsHub(options, {
      noun: "slot",
      next: (known) =>
        nextRequest(this.#slots, {
          prepared: known.acknowledged("prepare"),
          assigned: known.acknowledged("assign"),
          refused: known.refused,
          isSnapshotSent: known.isSnapshotSent,
          isLatest: known.isLatest,
        }),
      encode: (request) =>
        encodeRequest(request, "uid" in request ? this.#slots.get(request.uid) : undefined),
    });
  }

  /** Whether a ztunnel is connected and knows every slot there was when it came. */
  get isSynced(): boolean {
    return this.#hub.isSynced;
  }

  /** How many slots ztunnel is to know. */
  get slots(): number {
    return this.#slots.size;
  }

  /** Takes a connection; undefined refuses it. */
  accept(connection: PacketConnection): PacketHandlers | undefined {
    return this.#hub.accept(connection);
  }

  /** Makes a slot known; it is told to the ztunnel of now and to each one that comes later. */
  add(slot: NewSlotRecord): void {
    this.#slots.set(slot.uid, { ...slot, assignment: undefined, isAssigned: false });
    this.#hub.advance();
  }

  /**
   * Waits until a ztunnel holds the slot, for as long as it takes one to come.
   * @throws MeshError `unavailable` when it refuses; `canceled` when the slot goes away
   */
  async whenPrepared(uid: string): Promise<void> {
    if (!this.#hub.holds("prepare", uid)) await this.#hub.wait("prepare", uid);
  }

  /**
   * Gives a slot its identity and waits until ztunnel has taken it.
   * @throws MeshError `unavailable` when it refuses; `timeout` when none has taken it by the deadline; `canceled` when the slot goes away
   */
  async assign(uid: string, assignment: SlotAssignment): Promise<void> {
    const slot = this.#slots.get(uid);
    if (slot === undefined)
      throw new MeshError("not-found", `Cannot assign a slot to ${assignment.revision}: ${uid} is gone`);
    this.#slots.set(uid, { ...slot, assignment, isAssigned: true });
    const acknowledged = this.#hub.wait("assign", uid, this.#options.deadlineMs);
    this.#hub.advance();
    await acknowledged;
  }

  /** Takes a slot away; every connected ztunnel is told. Its descriptors may be closed at once: they were passed, not lent. */
  remove(uid: string): void {
    if (!this.#slots.delete(uid)) return;
    this.#hub.giveUp(uid);
    this.#hub.advance();
  }

  /** Drops every connection and every wait. */
  close(): void {
    this.#hub.close();
  }
}

/**
 * Every slot of the node as ztunnel must know it, and the ztunnels that are connected (ZDS, the node's side).
 * The latest connection gets slots; a slot counts as prepared or assigned only once that connection said so.
 */
import type { Clock } from "#host/clock.ts";
import type { Log } from "#host/log.ts";
import { MeshError } from "#host/mesh-error.ts";
import type { NextRequest } from "#core/zds/next-request.ts";
import type { PacketConnection, PacketHandlers } from "./packet-port.ts";
import { ZdsConnection } from "./zds-connection.ts";
import type { SlotAssignment, SlotRecord } from "./zds-message.ts";

/** A slot to make known. */
export type NewSlotRecord = Omit<SlotRecord, "assignment" | "isAssigned">;

/** How the server behaves. */
export interface ZdsServerOptions {
  readonly clock: Clock;
  readonly log: Log;
  /** Longest wait for a greeting or an acknowledgement, and for a slot's news to reach ztunnel. Default of the protocol: 5000. */
  readonly deadlineMs: number;
  /** Connections at once; more are refused. */
  readonly connectionsMax: number;
}

interface Waiter {
  readonly uid: string;
  readonly kind: "prepare" | "assign";
  readonly settle: (error?: MeshError) => void;
}

/** See the file's opening. */
export class ZdsServer {
  readonly #options: ZdsServerOptions;
  readonly #slots = new Map<string, SlotRecord>();
  readonly #connections = new Set<ZdsConnection>();
  readonly #waiters = new Set<Waiter>();
  #latest: ZdsConnection | undefined;

  constructor(options: ZdsServerOptions) {
    this.#options = options;
  }

  /** Whether a ztunnel is connected and knows every slot there was when it came. */
  get isSynced(): boolean {
    return this.#latest?.isSnapshotSent ?? false;
  }

  /** How many slots ztunnel is to know. */
  get slots(): number {
    return this.#slots.size;
  }

  /** Takes a connection; undefined refuses it. */
  accept(connection: PacketConnection): PacketHandlers | undefined {
    const { clock, log, deadlineMs, connectionsMax } = this.#options;
    if (this.#connections.size >= connectionsMax) {
      log.warn("ztunnel connection refused", { reason: `${connectionsMax} are open` });
      return undefined;
    }
    const made: ZdsConnection = new ZdsConnection(connection, {
      slots: this.#slots,
      clock,
      log,
      deadlineMs,
      retryMs: deadlineMs,
      onAnswer: (request, error) => this.#onAnswer(made, request, error),
      onClose: () => this.#onClose(made),
    });
    this.#latest?.retire();
    this.#latest = made;
    this.#connections.add(made);
    log.info("ztunnel connected", { slots: this.#slots.size });
    return made;
  }

  /** Makes a slot known; it is told to the ztunnel of now and to each one that comes later. */
  add(slot: NewSlotRecord): void {
    this.#slots.set(slot.uid, { ...slot, assignment: undefined, isAssigned: false });
    this.#advance();
  }

  /**
   * Waits until a ztunnel holds the slot, for as long as it takes one to come.
   * @throws MeshError `unavailable` when it refuses; `canceled` when the slot goes away
   */
  async whenPrepared(uid: string): Promise<void> {
    if (this.#latest?.prepared.has(uid) === true) return;
    await this.#wait(uid, "prepare");
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
    const acknowledged = this.#wait(uid, "assign", this.#options.deadlineMs);
    this.#advance();
    await acknowledged;
  }

  /** Takes a slot away; every connected ztunnel is told. Its descriptors may be closed at once: they were passed, not lent. */
  remove(uid: string): void {
    if (!this.#slots.delete(uid)) return;
    for (const waiter of this.#waiters) {
      if (waiter.uid === uid)
        waiter.settle(new MeshError("canceled", `Cannot tell ztunnel of slot ${uid}: it is gone`));
    }
    this.#advance();
  }

  /** Drops every connection and every wait. */
  close(): void {
    for (const connection of this.#connections) connection.close();
    for (const waiter of this.#waiters) {
      waiter.settle(
        new MeshError("canceled", `Cannot tell ztunnel of slot ${waiter.uid}: the node runtime stops`),
      );
    }
  }

  #advance(): void {
    for (const connection of this.#connections) connection.advance();
  }

  #wait(uid: string, kind: Waiter["kind"], deadlineMs?: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const waiter: Waiter = {
        uid,
        kind,
        settle: (error) => {
          timer?.cancel();
          this.#waiters.delete(waiter);
          if (error === undefined) resolve();
          else reject(error);
        },
      };
      const late = (): void => waiter.settle(this.#lateError(waiter));
      const timer = deadlineMs === undefined ? undefined : this.#options.clock.after(deadlineMs, late);
      this.#waiters.add(waiter);
    });
  }

  #lateError({ uid, kind }: Waiter): MeshError {
    const why = this.#latest === undefined ? "no ztunnel is connected" : "ztunnel has not answered";
    return new MeshError(
      "timeout",
      `Cannot ${kind} slot ${uid} within ${this.#options.deadlineMs} ms: ${why}`,
    );
  }

  #onAnswer(connection: ZdsConnection, request: NextRequest, error: string): void {
    if (error !== "")
      this.#options.log.error("ztunnel refused a request", {
        kind: request.kind,
        error: error.slice(0, 500),
      });
    if (connection !== this.#latest || !("uid" in request) || request.kind === "del") return;
    for (const waiter of this.#waiters) {
      if (waiter.uid !== request.uid || waiter.kind !== request.kind) continue;
      waiter.settle(
        error === ""
          ? undefined
          : new MeshError(
              "unavailable",
              `Cannot ${request.kind} slot ${request.uid}: ztunnel says "${error.slice(0, 500)}"`,
            ),
      );
    }
  }

  #onClose(connection: ZdsConnection): void {
    this.#connections.delete(connection);
    if (connection !== this.#latest) return;
    this.#latest = undefined;
    this.#options.log.warn("ztunnel disconnected");
  }
}

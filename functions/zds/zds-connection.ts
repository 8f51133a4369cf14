/**
 * One ztunnel's connection, the node's side of ZDS: a greeting, then one request at a time, each acknowledged within a deadline.
 * Which request is next is decided by core/zds.
 *
 *   greeting --ZdsHello--> idle <--ack / request--> waiting --deadline, violation or end--> closed
 */
import type { Clock, Timer } from "#host/clock.ts";
import type { Log } from "#host/log.ts";
import { type NextRequest, nextRequest } from "#core/zds/next-request.ts";
import type { PacketConnection, PacketHandlers } from "./packet-port.ts";
import { decodeAck, encodeRequest, isHello, type SlotRecord } from "./zds-message.ts";

/** What a connection needs of its server. */
export interface ZdsConnectionOptions {
  readonly slots: ReadonlyMap<string, SlotRecord>;
  readonly clock: Clock;
  readonly log: Log;
  /** Longest wait for the greeting and for each acknowledgement. */
  readonly deadlineMs: number;
  /** How long a refused request is left alone. */
  readonly retryMs: number;
  /** A request was answered; `error` is empty when it was accepted. */
  readonly onAnswer: (request: NextRequest, error: string) => void;
  readonly onClose: () => void;
}

type State =
  | { readonly kind: "greeting" | "waiting"; readonly timer: Timer }
  | { readonly kind: "idle" }
  | { readonly kind: "closed" };

/** See the file's opening. */
export class ZdsConnection implements PacketHandlers {
  /** What the peer acknowledged. */
  readonly prepared: Set<string> = new Set();
  readonly assigned: Set<string> = new Set();
  readonly #refused = new Set<string>();
  readonly #options: ZdsConnectionOptions;
  readonly #connection: PacketConnection;
  readonly #retries = new Set<Timer>();
  #request: NextRequest | undefined;
  #state: State;
  #isSnapshotSent = false;
  #isLatest = true;

  constructor(connection: PacketConnection, options: ZdsConnectionOptions) {
    this.#connection = connection;
    this.#options = options;
    this.#state = { kind: "greeting", timer: this.#deadline("its greeting") };
  }

  get isSnapshotSent(): boolean {
    return this.#isSnapshotSent;
  }

  get isOpen(): boolean {
    return this.#state.kind !== "closed";
  }

  /** A newer ztunnel has come: this one only hears of slots that are gone. */
  retire(): void {
    this.#isLatest = false;
  }

  /** Says what is next to say, if the peer is not still answering; called whenever the slots change. */
  advance(): void {
    if (this.#state.kind !== "idle") return;
    const { slots } = this.#options;
    const request = nextRequest(slots, {
      prepared: this.prepared,
      assigned: this.assigned,
      refused: this.#refused,
      isSnapshotSent: this.#isSnapshotSent,
      isLatest: this.#isLatest,
    });
    if (request === undefined) return;
    const { bytes, fds } = encodeRequest(request, "uid" in request ? slots.get(request.uid) : undefined);
    this.#request = request;
    this.#state = { kind: "waiting", timer: this.#deadline(`an acknowledgement of ${request.kind}`) };
    if (!this.#connection.send(bytes, fds)) this.#fail(`it does not take ${request.kind}`);
  }

  onPacket(bytes: Uint8Array): void {
    switch (this.#state.kind) {
      case "greeting":
        if (!isHello(bytes)) return this.#fail("its first packet is no ZdsHello of version 1");
        this.#becomeIdle();
        return this.advance();
      case "waiting": {
        const error = decodeAck(bytes);
        if (error === undefined) return this.#fail("a packet is no acknowledgement");
        return this.#onAck(error);
      }
      case "idle":
        return this.#fail("it acknowledges what was not asked");
      case "closed":
        return;
    }
  }

  onClose(): void {
    if (this.#state.kind === "closed") return;
    this.#stopTimer();
    for (const timer of this.#retries) timer.cancel();
    this.#state = { kind: "closed" };
    this.#options.onClose();
  }

  close(): void {
    this.#connection.close();
    this.onClose();
  }

  #onAck(error: string): void {
    const request = this.#request;
    this.#request = undefined;
    this.#becomeIdle();
    if (request !== undefined) {
      if (error === "") this.#remember(request);
      else this.#refuse(request);
      this.#options.onAnswer(request, error);
    }
    this.advance();
  }

  #remember(request: NextRequest): void {
    switch (request.kind) {
      case "prepare":
        this.prepared.add(request.uid);
        return;
      case "assign":
        this.assigned.add(request.uid);
        return;
      case "del":
        return this.#forget(request.uid);
      case "snapshot-sent":
        this.#isSnapshotSent = true;
    }
  }

  #refuse(request: NextRequest): void {
    if (request.kind === "snapshot-sent") return this.#fail("it refuses the end of the snapshot");
    if (request.kind === "del") return this.#forget(request.uid); // It does not have it: what Del asks for.
    const { uid } = request;
    this.#refused.add(uid);
    const timer = this.#options.clock.after(this.#options.retryMs, () => {
      this.#retries.delete(timer);
      this.#refused.delete(uid);
      this.advance();
    });
    this.#retries.add(timer);
  }

  #forget(uid: string): void {
    this.prepared.delete(uid);
    this.assigned.delete(uid);
  }

  #becomeIdle(): void {
    this.#stopTimer();
    this.#state = { kind: "idle" };
  }

  #stopTimer(): void {
    if ("timer" in this.#state) this.#state.timer.cancel();
  }

  #deadline(what: string): Timer {
    const { clock, deadlineMs } = this.#options;
    return clock.after(deadlineMs, () => this.#fail(`${what} did not come within ${deadlineMs} ms`));
  }

  #fail(reason: string): void {
    this.#options.log.warn("ztunnel connection dropped", { reason });
    this.close();
  }
}

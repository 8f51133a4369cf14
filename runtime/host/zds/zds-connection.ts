/**
 * One ztunnel's connection, the node's side of ZDS: a greeting, then one request at a time, each acknowledged within a deadline.
 * Which request is next is its owner's decision.
 *
 *   greeting --ZdsHello--> idle <--ack / request--> waiting --deadline, violation or end--> closed
 */
import type { Clock, Timer } from "#host/clock.ts";
import type { Log } from "#host/log.ts";
import type { PacketConnection, PacketHandlers } from "./packet-port.ts";
import { decodeAck, isHello, type ZdsPacket } from "./zds-packet.ts";

/** A request: about a workload (of the kind `del` it takes it away), or the end of the snapshot. */
export type ZdsRequest = { readonly kind: string; readonly uid: string } | { readonly kind: "snapshot-sent" };

/** What a ztunnel has acknowledged on a connection. */
export interface ZdsKnowledge {
  /** The workloads for which a request of the kind was acknowledged, and that were not taken away since. */
  acknowledged(kind: string): ReadonlySet<string>;
  /** Refused lately: left alone until they are taken off this list. */
  readonly refused: ReadonlySet<string>;
  readonly isSnapshotSent: boolean;
  /** Only the latest connection is given workloads; older ones, which drain, hear of those that are gone. */
  readonly isLatest: boolean;
}

/** What a connection needs of its owner. */
export interface ZdsConnectionOptions<Request extends ZdsRequest> {
  readonly next: (known: ZdsKnowledge) => Request | undefined;
  readonly encode: (request: Request) => ZdsPacket;
  readonly clock: Clock;
  readonly log: Log;
  /** Longest wait for the greeting and for each acknowledgement. */
  readonly deadlineMs: number;
  /** How long a refused request is left alone. */
  readonly retryMs: number;
  /** A request was answered; `error` is empty when it was accepted. */
  readonly onAnswer: (request: Request, error: string) => void;
  readonly onClose: () => void;
}

type State =
  | { readonly kind: "greeting" | "waiting"; readonly timer: Timer }
  | { readonly kind: "idle" }
  | { readonly kind: "closed" };

/** See the file's opening. */
export class ZdsConnection<Request extends ZdsRequest> implements PacketHandlers, ZdsKnowledge {
  readonly refused: Set<string> = new Set();
  readonly #acknowledged = new Map<string, Set<string>>();
  readonly #options: ZdsConnectionOptions<Request>;
  readonly #connection: PacketConnection;
  readonly #retries = new Set<Timer>();
  #request: Request | undefined;
  /** Whether what the outstanding request says is out of date. */
  #isStale = false;
  #state: State;
  #isSnapshotSent = false;
  #isLatest = true;

  constructor(connection: PacketConnection, options: ZdsConnectionOptions<Request>) {
    this.#connection = connection;
    this.#options = options;
    this.#state = { kind: "greeting", timer: this.#deadline("its greeting") };
  }

  get isSnapshotSent(): boolean {
    return this.#isSnapshotSent;
  }

  get isLatest(): boolean {
    return this.#isLatest;
  }

  acknowledged(kind: string): ReadonlySet<string> {
    return this.#acknowledged.get(kind) ?? nothing;
  }

  /** A newer ztunnel has come: this one only hears of workloads that are gone. */
  retire(): void {
    this.#isLatest = false;
  }

  /** Takes back what was acknowledged of a workload, so that it is said again. */
  forget(uid: string): void {
    for (const uids of this.#acknowledged.values()) uids.delete(uid);
    this.refused.delete(uid);
    if (this.#request !== undefined && "uid" in this.#request && this.#request.uid === uid)
      this.#isStale = true;
  }

  /** Says what is next to say, if the peer is not still answering; called whenever that may have changed. */
  advance(): void {
    if (this.#state.kind !== "idle") return;
    const request = this.#options.next(this);
    if (request === undefined) return;
    const { bytes, fds } = this.#options.encode(request);
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
    const isStale = this.#isStale;
    this.#request = undefined;
    this.#isStale = false;
    this.#becomeIdle();
    if (request !== undefined && !isStale) {
      if (error === "") this.#remember(request);
      else this.#refuse(request);
      this.#options.onAnswer(request, error);
    }
    this.advance();
  }

  #remember(request: ZdsRequest): void {
    if (!("uid" in request)) this.#isSnapshotSent = true;
    else if (request.kind === "del") this.forget(request.uid);
    else this.#uidsOf(request.kind).add(request.uid);
  }

  #refuse(request: ZdsRequest): void {
    if (!("uid" in request)) return this.#fail("it refuses the end of the snapshot");
    const { uid } = request;
    if (request.kind === "del") return this.forget(uid); // It does not have it: what Del asks for.
    this.refused.add(uid);
    const timer = this.#options.clock.after(this.#options.retryMs, () => {
      this.#retries.delete(timer);
      this.refused.delete(uid);
      this.advance();
    });
    this.#retries.add(timer);
  }

  #uidsOf(kind: string): Set<string> {
    const known = this.#acknowledged.get(kind);
    if (known !== undefined) return known;
    const made = new Set<string>();
    this.#acknowledged.set(kind, made);
    return made;
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

const nothing: ReadonlySet<string> = new Set();

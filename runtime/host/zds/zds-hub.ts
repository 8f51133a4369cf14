/**
 * The ztunnels that are connected to a node's program (ZDS, the node's side), and who waits for their answers.
 * The latest connection is told of workloads; what counts is what that one acknowledged. What there is to tell is its owner's.
 */
import type { Clock } from "#host/clock.ts";
import type { Log } from "#host/log.ts";
import { MeshError } from "#host/mesh-error.ts";
import type { PacketConnection, PacketHandlers } from "./packet-port.ts";
import { ZdsConnection, type ZdsConnectionOptions, type ZdsRequest } from "./zds-connection.ts";

/** How a hub behaves. */
export interface ZdsHubOptions {
  readonly clock: Clock;
  readonly log: Log;
  /** Longest wait for a greeting or an acknowledgement, and for news to reach ztunnel. Default of the protocol: 5000. */
  readonly deadlineMs: number;
  /** Connections at once; more are refused. */
  readonly connectionsMax: number;
}

/** What is said, by whose decision. */
export type ZdsSpeech<Request extends ZdsRequest> = Pick<ZdsConnectionOptions<Request>, "next" | "encode"> & {
  /** What a workload is called in messages: `slot`. */
  readonly noun: string;
  /** The latest ztunnel acknowledged something of a workload. */
  readonly onAccepted?: (uid: string) => void;
  /** The latest ztunnel is gone. */
  readonly onLost?: () => void;
};

interface Waiter {
  readonly uid: string;
  readonly kind: string;
  readonly settle: (error?: MeshError) => void;
}

/** See the file's opening. */
export class ZdsHub<Request extends ZdsRequest> {
  readonly #options: ZdsHubOptions;
  readonly #speech: ZdsSpeech<Request>;
  readonly #connections = new Set<ZdsConnection<Request>>();
  readonly #waiters = new Set<Waiter>();
  #latest: ZdsConnection<Request> | undefined;

  constructor(options: ZdsHubOptions, speech: ZdsSpeech<Request>) {
    this.#options = options;
    this.#speech = speech;
  }

  /** Whether a ztunnel is connected and knows everything there was when it came. */
  get isSynced(): boolean {
    return this.#latest?.isSnapshotSent ?? false;
  }

  /** Whether a ztunnel is connected. */
  get isConnected(): boolean {
    return this.#latest !== undefined;
  }

  /** Whether the latest ztunnel acknowledged a request of that kind for the workload. */
  holds(kind: string, uid: string): boolean {
    return this.#latest?.acknowledged(kind).has(uid) ?? false;
  }

  /** Takes a connection; undefined refuses it. */
  accept(connection: PacketConnection): PacketHandlers | undefined {
    const { clock, log, deadlineMs, connectionsMax } = this.#options;
    if (this.#connections.size >= connectionsMax) {
      log.warn("ztunnel connection refused", { reason: `${connectionsMax} are open` });
      return undefined;
    }
    const made: ZdsConnection<Request> = new ZdsConnection(connection, {
      ...this.#speech,
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
    log.info("ztunnel connected");
    return made;
  }

  /** Says what is to be said; called whenever that may have changed. */
  advance(): void {
    for (const connection of this.#connections) connection.advance();
  }

  /** Has everything about a workload said again. */
  repeat(uid: string): void {
    for (const connection of this.#connections) connection.forget(uid);
    this.advance();
  }

  /**
   * Waits for a request's acknowledgement, for as long as it takes when there is no deadline.
   * @throws MeshError `unavailable` when it is refused, `timeout` at the deadline, `canceled` when it is given up
   */
  wait(kind: string, uid: string, deadlineMs?: number): Promise<void> {
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

  /** Gives up every wait for a workload that is gone. */
  giveUp(uid: string): void {
    const { noun } = this.#speech;
    for (const waiter of this.#waiters) {
      if (waiter.uid !== uid) continue;
      waiter.settle(new MeshError("canceled", `Cannot tell ztunnel of ${noun} ${uid}: it is gone`));
    }
  }

  /** Drops every connection and every wait. */
  close(): void {
    const { noun } = this.#speech;
    for (const connection of this.#connections) connection.close();
    for (const waiter of this.#waiters) {
      const text = `Cannot tell ztunnel of ${noun} ${waiter.uid}: the node's program stops`;
      waiter.settle(new MeshError("canceled", text));
    }
  }

  #lateError({ uid, kind }: Waiter): MeshError {
    const why = this.#latest === undefined ? "no ztunnel is connected" : "ztunnel has not answered";
    const { deadlineMs } = this.#options;
    return new MeshError(
      "timeout",
      `Cannot ${kind} ${this.#speech.noun} ${uid} within ${deadlineMs} ms: ${why}`,
    );
  }

  #onAnswer(connection: ZdsConnection<Request>, request: ZdsRequest, error: string): void {
    const reason = error.slice(0, 500);
    if (error !== "")
      this.#options.log.error("ztunnel refused a request", { kind: request.kind, error: reason });
    if (connection !== this.#latest || !("uid" in request) || request.kind === "del") return;
    const { kind, uid } = request;
    const refusal =
      error === ""
        ? undefined
        : new MeshError(
            "unavailable",
            `Cannot ${kind} ${this.#speech.noun} ${uid}: ztunnel says "${reason}"`,
          );
    for (const waiter of this.#waiters)
      if (waiter.uid === uid && waiter.kind === kind) waiter.settle(refusal);
    if (refusal === undefined) this.#speech.onAccepted?.(uid);
  }

  #onClose(connection: ZdsConnection<Request>): void {
    this.#connections.delete(connection);
    if (connection !== this.#latest) return;
    this.#latest = undefined;
    this.#options.log.warn("ztunnel disconnected");
    this.#speech.onLost?.();
  }
}

/** Every live connection of this ztunnel: re-decided when policies change, counted while it lives, cut at the end; and where its traces go. */
import { identityOf, type SpiffeId } from "#core/identity/spiffe-id.ts";
import type { Snapshot } from "#core/mesh/snapshot.ts";
import type { Span } from "#core/telemetry/span.ts";
import type { TraceContext } from "#core/telemetry/trace-context.ts";
import type { Clock, Timer } from "#host/clock.ts";
import type { LineWriter } from "#host/line-writer.ts";
import type { SpanExporter } from "#host/spans/span-exporter.ts";
import { makeSpanIds, type SpanIds } from "#host/spans/span-ids.ts";
import { type AccessRecord, formatAccessJson, formatAccessText } from "./access-line.ts";
import type { Config } from "./config.ts";
import type { ConnectionFacts, Review } from "./connection-facts.ts";
import type { ZtunnelMetrics } from "./metrics.ts";
import { type Party, unknownParty } from "./party.ts";

/** A live connection as the ledger needs it. */
export interface LiveConnection {
  readonly facts: ConnectionFacts;
  /** When what decides it became unknown. */
  unknownSinceMs: number | undefined;
  /** Looks at it again after a change; absent where nothing can change. */
  readonly review: ((snapshot: Snapshot) => Review) | undefined;
  /** Ends it now; its end is reported with this reason. */
  cut(text: string): void;
  /** Brings the byte counters up to date while it lives. */
  countLiveBytes(): void;
}

/** What the ledger writes to and how. */
export interface LedgerOptions {
  readonly clock: Clock;
  readonly metrics: ZtunnelMetrics;
  readonly lines: LineWriter;
  /** Absent where there is no store: then nothing is sampled. */
  readonly spans: SpanExporter | undefined;
  readonly limits: Pick<
    Config,
    "logFormat" | "spansPerSecond" | "connectionsMax" | "connectionsPerWorkloadMax" | "policyHoldMs"
  >;
  /** Identities remembered for their labels; beyond it all are let go and described anew. Default 4096. */
  readonly identitiesMax?: number;
}

const identitiesMaxDefault = 4096;

/** The live connections. */
export class ConnectionLedger {
  readonly live: Set<LiveConnection> = new Set();
  readonly clock: Clock;
  readonly metrics: ZtunnelMetrics;
  readonly #options: LedgerOptions;
  readonly #ids: SpanIds = makeSpanIds();
  readonly #identities = new Map<SpiffeId, Party>();
  #spanAllowance: number;
  #allowanceAtMs = 0;
  #recheck: Timer | undefined;
  /** Connections from their decision to their end, live or not yet. */
  readonly #open = new Map<string, number>();
  #openTotal = 0;
  connectionsEnded = 0;
  /** As far as it was counted, in both directions. */
  bytesCarried = 0;

  constructor(options: LedgerOptions) {
    this.#options = options;
    this.clock = options.clock;
    this.metrics = options.metrics;
    this.#spanAllowance = options.limits.spansPerSecond;
  }

  /** Whether another connection of a workload may be taken: none may use up what is there for all. */
  hasRoomFor(uid: string): boolean {
    const { connectionsMax, connectionsPerWorkloadMax } = this.#options.limits;
    return this.#openTotal < connectionsMax && this.openOf(uid) < connectionsPerWorkloadMax;
  }

  /** Connections that are not over. */
  get openCount(): number {
    return this.#openTotal;
  }

  /** Those of a workload. */
  openOf(uid: string): number {
    return this.#open.get(uid) ?? 0;
  }

  /** A connection of a workload begins to be carried. */
  enter(uid: string): void {
    this.#openTotal++;
    this.#open.set(uid, this.openOf(uid) + 1);
  }

  /** A connection of a workload is over. */
  leave(uid: string): void {
    this.#openTotal--;
    const left = (this.#open.get(uid) ?? 1) - 1;
    if (left > 0) this.#open.set(uid, left);
    else this.#open.delete(uid);
  }

  /** The context of a connection's span: in the parent's trace, or of a new trace that is sampled as far as the rate allows. */
  traceFor(parent: TraceContext | undefined): TraceContext {
    const context = this.#ids.childOf(parent);
    if (this.#options.spans === undefined) return { ...context, sampled: false };
    return parent === undefined ? { ...context, sampled: this.#takeAllowance() } : context;
  }

  recordSpan(span: Span): void {
    this.#options.spans?.record(span);
  }

  writeLine(record: AccessRecord): void {
    const format = this.#options.limits.logFormat === "json" ? formatAccessJson : formatAccessText;
    this.#options.lines.write(format(record, this.clock.nowMs()));
  }

  /** Looks at every connection again: what is no longer allowed is cut, what is unknown is given a bounded time. */
  review(snapshotNow: () => Snapshot): void {
    const snapshot = snapshotNow();
    const nowMs = this.clock.monotonicMs();
    let isUnknown = false;
    for (const connection of this.live) {
      const review = connection.review?.(snapshot);
      if (review === undefined || review.kind === "keep") {
        connection.unknownSinceMs = undefined;
        continue;
      }
      connection.unknownSinceMs ??= nowMs;
      const isOver = nowMs - connection.unknownSinceMs >= this.#options.limits.policyHoldMs;
      if (review.kind === "cut" || isOver)
        connection.cut(`connection closed due to policy change: ${review.text}`);
      else isUnknown = true;
    }
    this.#recheck?.cancel();
    this.#recheck = isUnknown
      ? this.clock.after(this.#options.limits.policyHoldMs, () => this.review(snapshotNow))
      : undefined;
  }

  /** Cuts the connections of a local workload, or all. */
  cutAll(text: string, uid?: string): void {
    for (const connection of this.live) {
      if (uid === undefined || connection.facts.uid === uid) connection.cut(text);
    }
  }

  /** A side known by its identity alone; the same object for the same identity, so that metrics find their series by it. */
  partyOfIdentity(identity: SpiffeId): Party {
    const known = this.#identities.get(identity);
    if (known !== undefined) return known;
    const { identitiesMax = identitiesMaxDefault } = this.#options;
    if (this.#identities.size >= identitiesMax) this.#identities.clear();
    const { namespace, serviceAccount } = identityOf(identity);
    const party = {
      ...unknownParty,
      namespace,
      workload: serviceAccount,
      canonicalName: serviceAccount,
      identity,
    };
    this.#identities.set(identity, party);
    return party;
  }

  /** Brings the byte counters and gauges up to date. */
  countLive(): void {
    let inbound = 0;
    for (const connection of this.live) {
      connection.countLiveBytes();
      if (connection.facts.direction === "inbound") inbound++;
    }
    this.metrics.socketsOpen({ reporter: "destination" }).set(inbound);
    this.metrics.socketsOpen({ reporter: "source" }).set(this.live.size - inbound);
  }

  #takeAllowance(): boolean {
    const nowMs = this.clock.monotonicMs();
    const { spansPerSecond } = this.#options.limits;
    const earned = ((nowMs - this.#allowanceAtMs) * spansPerSecond) / 1000;
    this.#allowanceAtMs = nowMs;
    this.#spanAllowance = Math.min(spansPerSecond, this.#spanAllowance + earned);
    if (this.#spanAllowance < 1) return false;
    this.#spanAllowance--;
    return true;
  }
}

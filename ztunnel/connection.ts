/** One connection from its decision to its end: what is counted, logged and traced of it, and how it is cut. Carries no bytes itself. */
import type { Snapshot } from "#core/mesh/snapshot.ts";
import type { Span } from "#core/telemetry/span.ts";
import type { Splice, SpliceEnd } from "#host/tunnel/splice.ts";
import type { ConnectionFacts, Review } from "./connection-facts.ts";
import type { ConnectionLedger, LiveConnection } from "./connection-ledger.ts";
import type { ConnectionSeries, ResponseFlag } from "./metrics.ts";

/** A connection. Exactly one of `refuse`, `fail` and, after `begin`, the splice's end ends it. */
export class Connection implements LiveConnection {
  readonly facts: ConnectionFacts;
  readonly #ledger: ConnectionLedger;
  readonly #startedAtMs: number;
  readonly #startedMonotonicMs: number;
  #series: ConnectionSeries | undefined;
  #splice: Splice | undefined;
  #countedSent = 0;
  #countedReceived = 0;
  /** When what decides it became unknown. */
  unknownSinceMs: number | undefined;
  /** Looks at it again after a change; absent where nothing can change. */
  review: ((snapshot: Snapshot) => Review) | undefined;

  constructor(ledger: ConnectionLedger, facts: ConnectionFacts) {
    this.facts = facts;
    this.#ledger = ledger;
    this.#startedAtMs = ledger.clock.nowMs();
    this.#startedMonotonicMs = ledger.clock.monotonicMs();
    ledger.enter(facts.uid);
  }

  /** Bytes flow from now on. */
  begin(splice: Splice): void {
    this.#splice = splice;
    this.#series = this.#seriesFor("-");
    this.#series.opened.add();
    this.#ledger.live.add(this);
    if (this.facts.trace.sampled)
      this.#ledger.recordSpan(this.#span(this.#startedAtMs, undefined, undefined));
  }

  /** It is over; with the splice's account. */
  end(end: SpliceEnd): void {
    this.#countBytes(end.bytesFromA, end.bytesFromB);
    this.#series?.closed.add();
    this.#ledger.live.delete(this);
    this.#ledger.connectionsEnded++;
    this.#report({
      received: end.bytesFromA,
      sent: end.bytesFromB,
      error: end.error?.message,
      isDenial: false,
    });
  }

  /** It is refused by a decision: a warning in the log. */
  refuse(text: string, flag: ResponseFlag): void {
    this.#seriesFor(flag).failed.add();
    this.#report({ received: 0, sent: 0, error: text, isDenial: true });
  }

  /** It did not come about though it may: an error in the log. */
  fail(text: string, flag: ResponseFlag): void {
    this.#seriesFor(flag).failed.add();
    this.#report({ received: 0, sent: 0, error: text, isDenial: false });
  }

  /** Ends it now; its end is reported with this reason. */
  cut(text: string): void {
    this.#splice?.cut(new Error(text));
  }

  /** Brings the byte counters up to date while it lives. */
  countLiveBytes(): void {
    if (this.#splice !== undefined) this.#countBytes(this.#splice.bytesFromA, this.#splice.bytesFromB);
  }

  #countBytes(received: number, sent: number): void {
    this.#ledger.bytesCarried += received - this.#countedReceived + sent - this.#countedSent;
    this.#series?.receivedBytes.add(received - this.#countedReceived);
    this.#series?.sentBytes.add(sent - this.#countedSent);
    this.#countedReceived = received;
    this.#countedSent = sent;
  }

  #seriesFor(flag: ResponseFlag): ConnectionSeries {
    const { direction, source, destination, service, isMutualTls } = this.facts;
    const reporter = direction === "inbound" ? "destination" : "source";
    return this.#ledger.metrics.connection({ reporter, source, destination, service, flag, isMutualTls });
  }

  #report(outcome: {
    readonly received: number;
    readonly sent: number;
    readonly error: string | undefined;
    readonly isDenial: boolean;
  }): void {
    const { clock } = this.#ledger;
    this.#ledger.leave(this.facts.uid);
    this.#ledger.writeLine({
      ...this.facts,
      bytesSent: outcome.sent,
      bytesReceived: outcome.received,
      durationMs: clock.monotonicMs() - this.#startedMonotonicMs,
      error: outcome.error,
      isDenial: outcome.isDenial,
    });
    if (this.facts.trace.sampled) this.#ledger.recordSpan(this.#span(clock.nowMs(), outcome, outcome.error));
  }

  /** Recorded when the connection opens and again, under the same id, when it closes: the store keeps the last. */
  #span(
    endMs: number,
    bytes: { readonly received: number; readonly sent: number } | undefined,
    error: string | undefined,
  ): Span {
    const { trace, parentSpanId, direction, source, destination, service } = this.facts;
    const target = service.hostname || this.facts.tunnelTarget || this.facts.destinationAddress.ip;
    return {
      traceId: trace.traceId,
      spanId: trace.spanId,
      parentSpanId,
      name: `${direction} ${target}`,
      kind: direction === "inbound" ? "server" : "client",
      startMs: this.#startedAtMs,
      endMs,
      attributes: {
        "network.direction": direction,
        "source.identity": source.identity,
        "source.address": this.facts.sourceAddress.ip,
        "destination.identity": destination.identity,
        "destination.address": this.facts.destinationAddress.ip,
        "connection.open": bytes === undefined,
        ...(bytes === undefined ? {} : { "bytes.sent": bytes.sent, "bytes.received": bytes.received }),
      },
      links: [],
      error,
    };
  }
}

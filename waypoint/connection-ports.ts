/** What a caller's connection asks of the program, and what it gives: the seam between bytes and exchanges. */
import type { Framing, HttpProblem, RequestHead } from "#core/http1/head.ts";
import type { Clock } from "#host/clock.ts";
import type { BodySource } from "./body.ts";
import type { Exchange, ExchangePort } from "./exchange.ts";

/** What a connection asks of the program. */
export interface ConnectionPorts {
  /** Makes the exchange of a request; undefined when there can be none, and then the problem is answered. */
  readonly begin: (request: ReceivedRequest) => Exchange | HttpProblem;
  /** Runs the stages; afterwards the exchange has its response. Never throws. */
  readonly run: (exchange: Exchange) => Promise<void>;
  /** The exchange is over: log, count, trace. Called once for each. */
  readonly finish: (exchange: Exchange) => void;
  /** A request that could not be read. */
  readonly onProblem: (problem: HttpProblem) => void;
  readonly onClose: () => void;
  readonly clock: Clock;
}

/** A request as it was read. */
export interface ReceivedRequest {
  readonly head: RequestHead;
  readonly framing: Framing;
  readonly body: BodySource | undefined;
  readonly port: ExchangePort;
}

/** Connections to ordinary services that are not HTTP: decided by who calls, then joined to an endpoint byte by byte. */
import type { ServiceEntry } from "#core/routing/service-table.ts";
import type { Verdict } from "#core/policy/decide-access.ts";
import { denialText } from "#core/policy/decide-access.ts";
import type { ByteStream } from "#host/byte-stream.ts";
import type { Log } from "#host/log.ts";
import { errorText } from "#host/mesh-error.ts";
import { type Splice, splice } from "#host/tunnel/splice.ts";
import type { Caller } from "./exchange.ts";
import type { Destination, OpenOutcome } from "./open-upstream.ts";

/** One connection, and how its caller is answered. */
export interface Passing {
  readonly caller: Caller;
  readonly service: ServiceEntry;
  /** Takes the caller's side. */
  accept(): ByteStream;
  refuse(status: 403 | 503): void;
}

/** What carrying needs. */
export interface PassThroughOptions {
  readonly connectionsMax: number;
  /** Endpoints tried for one connection. */
  readonly attemptsMax: number;
  readonly decide: (caller: Caller, service: ServiceEntry) => Verdict;
  readonly endpointsKnown: () => Promise<void> | undefined;
  /** An endpoint of the service, another than the one that failed. */
  readonly endpointFor: (service: ServiceEntry, failed: Destination | undefined) => Destination | undefined;
  readonly open: (caller: Caller, destination: Destination) => Promise<OpenOutcome>;
  readonly log: Log;
}

interface Live {
  readonly passing: Passing;
  readonly joined: Splice;
}

/** See the file's head. */
export class PassThroughs {
  readonly #options: PassThroughOptions;
  readonly #live = new Set<Live>();
  #opening = 0;

  constructor(options: PassThroughOptions) {
    this.#options = options;
  }

  /** Those that are not over. */
  get count(): number {
    return this.#live.size + this.#opening;
  }

  /** Carries one to its end; never throws. */
  carry(passing: Passing): void {
    const { connectionsMax, log } = this.#options;
    if (this.count >= connectionsMax) return passing.refuse(503);
    this.#opening++;
    this.#carry(passing)
      .catch((error: unknown) => {
        log.error("connection not passed on", { error: errorText(error) });
        passing.refuse(503);
      })
      .finally(() => void this.#opening--);
  }

  /** Cuts those whose caller is not admitted any more. */
  cutDenied(): void {
    for (const { passing, joined } of this.#live) {
      const verdict = this.#options.decide(passing.caller, passing.service);
      if (verdict.kind === "denied")
        joined.cut(new Error(`cut by a change of policy: ${denialText(verdict)}`));
    }
  }

  /** Cuts all. */
  cut(): void {
    for (const { joined } of this.#live) joined.cut(new Error("the waypoint ends"));
  }

  async #carry(passing: Passing): Promise<void> {
    const { caller, service } = passing;
    const verdict = this.#options.decide(caller, service);
    if (verdict.kind === "denied") return this.#refuse(passing, 403, denialText(verdict));
    await this.#options.endpointsKnown();
    const { attemptsMax, endpointFor, open } = this.#options;
    let failed: Destination | undefined;
    let reason = "no healthy upstream";
    for (let attempt = 0; attempt < attemptsMax; attempt++) {
      const destination = endpointFor(service, failed);
      if (destination === undefined) break;
      const outcome = await open(caller, destination);
      if (outcome.kind === "opened") return this.#join(passing, destination, outcome.stream);
      if (outcome.kind === "denied") return this.#refuse(passing, 403, outcome.reason);
      failed = destination;
      reason = outcome.reason;
    }
    this.#refuse(passing, 503, reason);
  }

  #refuse(passing: Passing, status: 403 | 503, reason: string): void {
    this.#options.log.warn("connection refused", { ...endsOf(passing), status, reason });
    passing.refuse(status);
  }

  #join(passing: Passing, { target }: Destination, stream: ByteStream): void {
    const joined = splice(passing.accept(), stream, ({ bytesFromA, bytesFromB, error }) => {
      this.#live.delete(live);
      const bytes = { received: bytesFromA, sent: bytesFromB };
      const reason = error === undefined ? {} : { error: error.message };
      this.#options.log.info("connection complete", {
        ...endsOf(passing),
        to: target.ip,
        ...bytes,
        ...reason,
      });
    });
    const live = { passing, joined };
    this.#live.add(live);
  }
}

function endsOf({ caller, service }: Passing): Readonly<Record<string, string>> {
  return { caller: caller.identity, from: caller.address, service: service.authority };
}

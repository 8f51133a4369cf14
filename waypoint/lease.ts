/** The stage that gets the request an instance with room; what to do when there is none is its answer's status. */
import type { RevisionBackend } from "#core/proto/lambient/discovery_pb.js";
import { type Exchange, refuse } from "./exchange.ts";
import type { InstanceLeases } from "./instance-leases.ts";
import type { LeaseOutcome } from "./lease-outcome.ts";

/** Leases an instance into the exchange; a response when there is none. */
export function leaseInstance(
  exchange: Exchange,
  backend: RevisionBackend,
  leases: InstanceLeases,
): Response | undefined | Promise<Response | undefined> {
  const outcome = leases.acquire(backend, exchange.ending);
  return outcome instanceof Promise
    ? outcome.then((settled) => take(exchange, settled))
    : take(exchange, outcome);
}

const answers = {
  overflow: { status: 503, flag: "UO", text: "all instances are busy", retryAfterS: 1 },
  timeout: { status: 504, flag: "UT", text: "no instance started in time" },
  unavailable: { status: 503, flag: "UH", text: "no instance can be started", retryAfterS: 1 },
  abandoned: { status: 499, flag: "DC", text: "the caller went away" },
} as const;

function take(exchange: Exchange, outcome: LeaseOutcome): Response | undefined {
  if (outcome.kind === "refused")
    return refuse(exchange, { ...answers[outcome.why], detail: outcome.reason });
  if (exchange.ending.isOver) outcome.lease.release();
  exchange.lease = outcome.lease;
  return undefined;
}

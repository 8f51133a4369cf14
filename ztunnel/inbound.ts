/** Serves a tunnel's CONNECT for a workload of this node: waits for its policies, decides, connects to it as the caller, splices. */
import { findField } from "#core/h2/header-field.ts";
import { decideInbound, type InboundAsked, type InboundDecision } from "#core/mesh/decide-inbound.ts";
import { addressKey, type Snapshot } from "#core/mesh/snapshot.ts";
import { parseTraceparent } from "#core/telemetry/trace-context.ts";
import { errorText } from "#host/mesh-error.ts";
import { connectStream } from "#host/tunnel/socket-stream.ts";
import { splice } from "#host/tunnel/splice.ts";
import type { TunnelRequest, TunnelResponder } from "#host/tunnel/tunnel.ts";
import { baggageOf, namedCallerOf, targetOf } from "./connect-fields.ts";
import { Connection } from "./connection.ts";
import type { Review } from "./connection-facts.ts";
import type { LocalWorkload } from "./local-workload.ts";
import type { Parts } from "./parts.ts";
import { noService, type Party, partyOfWorkload, unknownParty } from "./party.ts";

/** One CONNECT and how it is answered. */
export interface Asked {
  readonly workload: LocalWorkload;
  readonly request: TunnelRequest;
  readonly responder: TunnelResponder;
}

/** Serves a CONNECT to its end; never throws. */
export function serveConnect(parts: Parts, asked: Asked): void {
  if (!parts.ledger.hasRoomFor(asked.workload.uid)) return asked.responder.refuse(503);
  serve(parts, asked).catch((error: unknown) =>
    parts.log.error("inbound connection not served", { error: errorText(error) }),
  );
}

async function serve(parts: Parts, { workload, request, responder }: Asked): Promise<void> {
  const described = describe(request);
  const connection = connectionOf(parts, workload, request, described);
  const decided = await decide(parts, workload, described);
  if (decided.kind === "refuse") {
    responder.refuse(decided.status);
    if (decided.flag === "DENY") connection.refuse(decided.text, "DENY");
    else connection.fail(decided.text, decided.flag);
    return;
  }
  if (decided.dryRunDenial !== undefined) {
    parts.log.info("a dry-run policy would deny", {
      policy: decided.dryRunDenial,
      source: decided.caller.identity,
    });
  }
  let isAbandoned = false;
  responder.onAbandoned(() => (isAbandoned = true));
  try {
    const fd = workload.reach.toApplication(decided.port, decided.caller.address);
    const stream = await connectStream({ kind: "fd", fd });
    const again = review(workload, described, parts.mesh.snapshot);
    if (isAbandoned || again.kind === "cut") {
      stream.reset();
      if (!isAbandoned) responder.refuse(401);
      const text = again.kind === "keep" ? "the caller gave up" : again.text;
      return connection.fail(text, again.kind === "cut" ? "DENY" : "-");
    }
    const far = responder.accept([["baggage", baggageOf(connection.facts.destination)]]);
    connection.review = (snapshot) => review(workload, described, snapshot);
    connection.begin(splice(far, stream, (end) => connection.end(end)));
  } catch (error) {
    if (!isAbandoned) responder.refuse(503);
    connection.fail(errorText(error), "CONNECT");
  }
}

function describe(request: TunnelRequest): InboundAsked {
  return {
    target: targetOf(request.authority),
    peer: request.peer,
    peerAddress: request.peerAddress.ip,
    namedCaller: namedCallerOf(request.headers),
  };
}

/** Decides once the workload's policies are held, or refuses after a bounded wait. */
async function decide(
  parts: Parts,
  workload: LocalWorkload,
  described: InboundAsked,
): Promise<InboundDecision> {
  const isOpen = (): boolean => workload.factsAt(parts.mesh.snapshot)?.admission.kind === "open";
  if (!isOpen()) await parts.mesh.waitUntil(isOpen, parts.config.policyHoldMs);
  const { snapshot } = parts.mesh;
  const facts = workload.factsAt(snapshot);
  if (facts?.admission.kind !== "open") {
    const text = facts?.admission.text ?? "the workload is not known";
    return unavailable(`failed to fetch information about local workload: ${text}`);
  }
  const { identity } = facts.source;
  // A tunnel outlives the certificate it began with; what it carries from then on would be vouched for by nobody.
  if (parts.certificates.peek(identity) === undefined) {
    return unavailable(`identity error: no valid certificate of ${identity}`);
  }
  return decideInbound(snapshot, facts.admission.workload, described);
}

function unavailable(text: string): InboundDecision {
  return { kind: "refuse", status: 503, flag: "-", text };
}

/** Decides a live connection again. */
function review(workload: LocalWorkload, described: InboundAsked, snapshot: Snapshot): Review {
  const admission = workload.factsAt(snapshot)?.admission;
  if (admission?.kind !== "open")
    return { kind: "unknown", text: admission?.text ?? "the workload is not known" };
  const decision = decideInbound(snapshot, admission.workload, described);
  return decision.kind === "connect" ? { kind: "keep" } : { kind: "cut", text: decision.text };
}

function connectionOf(
  parts: Parts,
  workload: LocalWorkload,
  request: TunnelRequest,
  described: InboundAsked,
): Connection {
  const facts = workload.factsAt(parts.mesh.snapshot);
  const trace = parseTraceparent(findField(request.headers, "traceparent"));
  const { target } = described;
  return new Connection(parts.ledger, {
    direction: "inbound",
    uid: workload.uid,
    source: sourceParty(parts, request),
    sourceAddress: request.peerAddress,
    destination: facts?.party ?? unknownParty,
    destinationAddress: { ip: workload.address, port: portOf(target) ?? request.localAddress.port },
    tunnelTarget: request.authority,
    service: noService,
    isMutualTls: true,
    trace: parts.ledger.traceFor(trace),
    parentSpanId: trace?.spanId,
  });
}

function portOf(target: InboundAsked["target"]): number | undefined {
  return target?.kind === "address" ? target.address.port : target?.port;
}

/** The caller as the mesh knows it, if its address and identity agree; else by its identity alone. */
function sourceParty(parts: Parts, { peer, peerAddress }: TunnelRequest): Party {
  const known = parts.mesh.snapshot.workloadsByAddress.get(addressKey(parts.config.network, peerAddress.ip));
  if (known?.identity === peer) return partyOfWorkload(known);
  return parts.ledger.partyOfIdentity(peer);
}

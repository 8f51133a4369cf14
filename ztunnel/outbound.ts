/** Carries a captured connection out: through a tunnel, in plaintext to a workload without one, or past the mesh; inbound is elsewhere. */
import { formatSocketAddress } from "#core/address/socket-address.ts";
import { decideOutbound, type OutboundDecision } from "#core/mesh/decide-outbound.ts";
import type { SpiffeId } from "#core/identity/spiffe-id.ts";
import type { HeldCertificate } from "#host/certificates/certificate-source.ts";
import { errorText } from "#host/mesh-error.ts";
import { connectStream } from "#host/tunnel/socket-stream.ts";
import { splice } from "#host/tunnel/splice.ts";
import { TunnelError } from "#host/tunnel/tunnel-error.ts";
import type { ConnectOutcome } from "#host/tunnel/tunnel.ts";
import type { ByteStream } from "#host/byte-stream.ts";
import type { Captured } from "./captured.ts";
import { connectFields } from "./connect-fields.ts";
import { Connection } from "./connection.ts";
import { carryPast } from "./egress.ts";
import type { LocalFacts } from "./local-workload.ts";
import type { Parts } from "./parts.ts";
import { namesOfService, partyOfWorkload, unknownParty } from "./party.ts";

/** Carries a captured connection to its end; never throws. */
export function carryOutbound(parts: Parts, captured: Captured): void {
  const facts = captured.workload.factsAt(parts.mesh.snapshot);
  if (facts === undefined || !parts.ledger.hasRoomFor(captured.workload.uid)) {
    const reason = facts === undefined ? "the workload has no identity" : "too many connections";
    parts.log.debug("captured connection refused", { uid: captured.workload.uid, reason });
    captured.stream.reset();
    return;
  }
  const { snapshot } = parts.mesh;
  const decision = decideOutbound(snapshot, facts.source, captured.stream.localAddress, parts.random());
  carry(parts, captured, facts, decision).catch((error: unknown) => {
    parts.log.error("captured connection not carried", { error: errorText(error) });
    captured.stream.reset();
  });
}

async function carry(...[parts, captured, facts, decision]: CarryArguments): Promise<void> {
  const { stream } = captured;
  switch (decision.kind) {
    case "tunnel":
      return await carryThroughTunnel(parts, captured, facts, decision);
    case "plain":
      return await carryPlain(parts, captured, facts, decision);
    case "passthrough":
      return await carryPast(parts, { ...captured, facts });
    case "refuse": {
      const connection = connectionOf(parts, captured, facts, decision);
      connection.fail(decision.text, "-");
      stream.reset();
    }
  }
}

type CarryArguments = [parts: Parts, captured: Captured, facts: LocalFacts, decision: OutboundDecision];

async function carryThroughTunnel(
  parts: Parts,
  captured: Captured,
  facts: LocalFacts,
  decision: Extract<OutboundDecision, { kind: "tunnel" }>,
): Promise<void> {
  const connection = connectionOf(parts, captured, facts, decision);
  const certificate = await certificateOf(parts, connection, facts.source.identity);
  if (certificate === undefined) return captured.stream.reset();
  const { address, reach } = captured.workload;
  const dial = (): { kind: "fd"; fd: number } => ({ kind: "fd", fd: reach.toMesh(decision.tunnel) });
  const key = {
    source: facts.source.identity,
    sourceAddress: address,
    destinations: decision.peers,
    destinationAddress: decision.tunnel,
  };
  try {
    const fields = connectFields(connection.facts, facts);
    const outcome = await connectOnceMore(() => parts.pool.connect(key, { certificate, dial }, fields));
    if (outcome.kind === "opened") return join(connection, captured.stream, outcome.stream);
    const isDenied = outcome.status === 401 || outcome.status === 403;
    connection.fail(`http status: ${outcome.status}`, isDenied ? "DENY" : "CONNECT");
  } catch (error) {
    const isTls = error instanceof TunnelError && (error.code === "tls" || error.code === "identity");
    connection.fail(
      isTls ? `tls error: ${error.message}` : errorText(error),
      isTls ? "TLS_FAILURE" : "CONNECT",
    );
  }
  captured.stream.reset();
}

/** The source's certificate, held already as a rule; without one the connection has failed. */
async function certificateOf(
  { certificates }: Parts,
  connection: Connection,
  identity: SpiffeId,
): Promise<HeldCertificate | undefined> {
  try {
    return certificates.peek(identity) ?? (await certificates.get(identity));
  } catch (error) {
    connection.fail(`identity error: ${errorText(error)}`, "IDENTITY_ERROR");
    return undefined;
  }
}

/** A tunnel that broke before its answer has carried no byte of the application: its end was going away, and the next one may serve. */
async function connectOnceMore(connect: () => Promise<ConnectOutcome>): Promise<ConnectOutcome> {
  try {
    return await connect();
  } catch (error) {
    if (error instanceof TunnelError && (error.code === "reset" || error.isRetryable)) return await connect();
    throw error;
  }
}

async function carryPlain(
  parts: Parts,
  captured: Captured,
  facts: LocalFacts,
  decision: Extract<OutboundDecision, { kind: "plain" }>,
): Promise<void> {
  const connection = connectionOf(parts, captured, facts, decision);
  try {
    const fd = captured.workload.reach.toEndpoint(decision.target);
    join(connection, captured.stream, await connectStream({ kind: "fd", fd }));
  } catch (error) {
    connection.fail(errorText(error), "CONNECT");
    captured.stream.reset();
  }
}

/** Joins the application's side with the far one until both are over. */
function join(connection: Connection, near: ByteStream, far: ByteStream): void {
  connection.begin(splice(near, far, (end) => connection.end(end)));
}

function connectionOf(...[parts, captured, facts, decision]: CarryArguments): Connection {
  const isTunnel = decision.kind === "tunnel";
  const target = "target" in decision ? decision.target : captured.stream.localAddress;
  const destination = "workload" in decision ? partyOfWorkload(decision.workload) : unknownParty;
  return new Connection(parts.ledger, {
    direction: "outbound",
    uid: captured.workload.uid,
    source: facts.party,
    sourceAddress: captured.stream.peerAddress,
    destination,
    destinationAddress: isTunnel ? decision.tunnel : target,
    tunnelTarget: isTunnel ? formatSocketAddress(target) : undefined,
    service: namesOfService("service" in decision ? decision.service : undefined),
    isMutualTls: isTunnel,
    trace: parts.ledger.traceFor(undefined),
    parentSpanId: undefined,
  });
}

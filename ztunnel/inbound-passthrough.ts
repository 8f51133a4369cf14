/** Serves a captured plain connection to a Pod: decides without an identity, connects as the caller, splices; tunnels to it are elsewhere. */
import type { SocketAddress } from "#core/address/socket-address.ts";
import { decidePlaintext, type PlaintextDecision } from "#core/mesh/decide-plaintext.ts";
import { addressKey, type Snapshot } from "#core/mesh/snapshot.ts";
import { errorText } from "#host/mesh-error.ts";
import { connectStream } from "#host/tunnel/socket-stream.ts";
import { splice } from "#host/tunnel/splice.ts";
import type { SocketStream } from "#host/tunnel/tcp-stream.ts";
import { Connection } from "./connection.ts";
import type { Review } from "./connection-facts.ts";
import type { LocalWorkload } from "./local-workload.ts";
import type { Parts } from "./parts.ts";
import { noService, unidentifiedPartyOf, unknownParty } from "./party.ts";

/** A plain connection with the Pod that it was captured at. */
export interface PlainCaptured {
  readonly workload: LocalWorkload;
  readonly stream: SocketStream;
  /** Whether policies hold for it: a Pod may take its plain connections as they come. */
  readonly isDecided: boolean;
}

/** Serves it to its end; never throws. */
export function passInbound(parts: Parts, captured: PlainCaptured): void {
  const { workload, stream } = captured;
  if (!parts.ledger.hasRoomFor(workload.uid)) {
    parts.log.debug("plain connection refused", { uid: workload.uid, reason: "too many connections" });
    return stream.reset();
  }
  pass(parts, captured).catch((error: unknown) => {
    parts.log.debug("plain connection not served", { uid: workload.uid, error: errorText(error) });
    stream.reset();
  });
}

/** The two ends as the caller named them. */
interface Asked extends Pick<PlainCaptured, "isDecided"> {
  readonly target: SocketAddress;
  readonly peer: SocketAddress;
}

async function pass(parts: Parts, { workload, stream, isDecided }: PlainCaptured): Promise<void> {
  // A caller that is gone already has no address any more: nothing is counted then.
  const asked = { target: stream.localAddress, peer: stream.peerAddress, isDecided };
  const connection = connectionOf(parts, workload, asked);
  const decided = await decide(parts, workload, asked);
  if (decided.kind === "refuse") {
    if (decided.flag === "DENY") connection.refuse(decided.text, "DENY");
    else connection.fail(decided.text, decided.flag);
    return stream.reset();
  }
  if (decided.dryRunDenial !== undefined) {
    const source = asked.peer.ip;
    parts.log.info("a dry-run policy would deny", { policy: decided.dryRunDenial, source });
  }
  try {
    const fd = workload.reach.toApplication(decided.port, asked.peer.ip);
    const application = await connectStream({ kind: "fd", fd });
    const again = review(workload, asked, parts.mesh.snapshot);
    if (again.kind === "cut") {
      application.reset();
      connection.refuse(again.text, "DENY");
      return stream.reset();
    }
    connection.review = (snapshot) => review(workload, asked, snapshot);
    connection.begin(splice(stream, application, (end) => connection.end(end)));
  } catch (error) {
    connection.fail(errorText(error), "CONNECT");
    stream.reset();
  }
}

/** Decides once the Pod's policies are held, or refuses after a bounded wait; a probe does not depend on them. */
async function decide(parts: Parts, workload: LocalWorkload, asked: Asked): Promise<PlaintextDecision> {
  const now = (): PlaintextDecision | undefined => decideAt(workload, asked, parts.mesh.snapshot);
  if (now() === undefined) {
    const { mesh, config } = parts;
    await mesh.waitUntil(() => now() !== undefined, config.policyHoldMs);
  }
  const admission = workload.factsAt(parts.mesh.snapshot)?.admission;
  const why = admission?.kind === "waiting" ? admission.text : "the workload is not known";
  return (
    now() ?? { kind: "refuse", flag: "-", text: `failed to fetch information about local workload: ${why}` }
  );
}

/** Undefined while the policies are not held. */
function decideAt(
  workload: LocalWorkload,
  { target, peer, isDecided }: Asked,
  snapshot: Snapshot,
): PlaintextDecision | undefined {
  if (!isDecided)
    return decidePlaintext({ address: workload.address, policies: unrestricted }, target, peer.ip);
  const admission = workload.factsAt(snapshot)?.admission;
  if (admission?.kind === "open") return decidePlaintext(admission.workload, target, peer.ip);
  const withoutPolicies = { address: workload.address, policies: undecided };
  const decided = decidePlaintext(withoutPolicies, target, peer.ip);
  return decided.kind === "refuse" && decided.flag === "DENY" ? undefined : decided;
}

const unrestricted = { deny: [], allow: [], dryRun: [], missing: [] };
/** Policies of which one is not held: they deny whatever depends on policies. */
const undecided = { deny: [], allow: [], dryRun: [], missing: ["*"] };

/** Decides a live connection again. */
function review(workload: LocalWorkload, asked: Asked, snapshot: Snapshot): Review {
  const decision = decideAt(workload, asked, snapshot);
  if (decision === undefined) return { kind: "unknown", text: "policies are not known" };
  return decision.kind === "connect" ? { kind: "keep" } : { kind: "cut", text: decision.text };
}

function connectionOf(parts: Parts, workload: LocalWorkload, { target, peer }: Asked): Connection {
  const { snapshot } = parts.mesh;
  const known = snapshot.workloadsByAddress.get(addressKey(parts.config.network, peer.ip));
  return new Connection(parts.ledger, {
    direction: "inbound",
    uid: workload.uid,
    source: known === undefined ? unknownParty : unidentifiedPartyOf(known),
    sourceAddress: peer,
    destination: workload.factsAt(snapshot)?.party ?? unknownParty,
    destinationAddress: target,
    tunnelTarget: undefined,
    service: noService,
    isMutualTls: false,
    trace: parts.ledger.traceFor(undefined),
    parentSpanId: undefined,
  });
}

/** Whether a CONNECT for a workload of this node is served, with which port and as whose: the checks in order, each with its status. */
import type { IpAddress } from "#core/address/ip.ts";
import type { Authority } from "#core/hbone/authority.ts";
import type { OriginalCaller } from "#core/hbone/original-caller.ts";
import type { SpiffeId } from "#core/identity/spiffe-id.ts";
import { decideAccess, denialText } from "#core/policy/decide-access.ts";
import type { ApplicablePolicies } from "#core/policy/policy-set.ts";
import { findServiceByHostname, type Snapshot } from "./snapshot.ts";

/** The workload that the connection was accepted for. */
export interface InboundWorkload {
  /** Its uid in the snapshot, as far as it is there. */
  readonly uid: string;
  readonly namespace: string;
  readonly address: IpAddress;
  /** The only peer that is let in, when it has one. */
  readonly waypointIdentity: SpiffeId | undefined;
  /** Peers that may name the original caller: waypoints of the workload that are not its only door. */
  readonly trustedWaypoints: ReadonlySet<SpiffeId>;
  readonly policies: ApplicablePolicies;
}

/** A CONNECT as it came. */
export interface InboundAsked {
  /** Undefined when the authority could not be read. */
  readonly target: Authority | undefined;
  /** From the TLS certificate. */
  readonly peer: SpiffeId;
  readonly peerAddress: IpAddress;
  /** What the peer says of the original caller; `malformed` when that could not be read. */
  readonly namedCaller: OriginalCaller | "malformed" | undefined;
}

/** Why a connection is refused, in the words of Istio's response flags. */
export type RefusalFlag = "-" | "DENY" | "CONNECT";

/** What becomes of a CONNECT. */
export type InboundDecision =
  | {
      readonly kind: "connect";
      readonly port: number;
      /** The original caller: what policies are decided on and what the workload sees as its peer. */
      readonly caller: OriginalCaller;
      /** A dry-run policy that would have denied it. */
      readonly dryRunDenial: string | undefined;
    }
  | {
      readonly kind: "refuse";
      readonly status: 400 | 401 | 503;
      readonly flag: RefusalFlag;
      readonly text: string;
    };

/** Ports that are ours in a workload's network: a connection to them would go round in circles. */
export const ownPorts: ReadonlySet<number> = new Set([15001, 15006, 15008]);

/** Decides a CONNECT whose workload is known. */
export function decideInbound(
  snapshot: Snapshot,
  workload: InboundWorkload,
  asked: InboundAsked,
): InboundDecision {
  const port = portOf(snapshot, workload, asked.target);
  if (typeof port !== "number") return port;
  const caller = callerOf(workload, asked);
  if ("kind" in caller) return caller;
  const verdict = decideAccess(workload.policies, {
    source: caller.identity,
    sourceAddress: caller.address,
    destinationAddress: workload.address,
    destinationPort: port,
  });
  if (verdict.kind === "denied") return refuse(401, "DENY", `${policyRejection} ${denialText(verdict)}`);
  return { kind: "connect", port, caller, dryRunDenial: verdict.dryRunDenial };
}

/** Said of connections to our own ports, in Istio's words. */
export const recursionText = "attempted recursive call to ourselves";

type Refusal = Extract<InboundDecision, { kind: "refuse" }>;

/** How a refusal by policy begins, as users of Istio search for it. */
export const policyRejection = "connection closed due to policy rejection:";

/** The port that is asked for, on this workload and not on us. */
function portOf(
  snapshot: Snapshot,
  workload: InboundWorkload,
  target: Authority | undefined,
): number | Refusal {
  if (target === undefined) return refuse(400, "-", "the authority is neither ip:port nor hostname:port");
  if (target.kind === "address" && target.address.ip !== workload.address) {
    return refuse(400, "-", `ip mismatch: ${target.address.ip} != ${workload.address}`);
  }
  const port = target.kind === "address" ? target.address.port : servicePortOf(snapshot, workload, target);
  if (typeof port === "string") return refuse(503, "CONNECT", port);
  return ownPorts.has(port) ? refuse(503, "-", recursionText) : port;
}

/** A service's port on this workload, or why there is none. */
function servicePortOf(
  snapshot: Snapshot,
  workload: InboundWorkload,
  target: Extract<Authority, { kind: "name" }>,
): number | string {
  const service = findServiceByHostname(snapshot, target.hostname, workload.namespace);
  if (service === undefined) return `unknown hostname: ${target.hostname}`;
  const own = snapshot.workloads.get(workload.uid)?.services.get(service.key)?.get(target.port);
  return own ?? service.ports.get(target.port) ?? `unknown port: ${target.hostname}:${target.port}`;
}

/** The original caller: the peer, or whom the workload's own waypoint names; from anyone else a name counts for nothing. */
function callerOf(workload: InboundWorkload, asked: InboundAsked): OriginalCaller | Refusal {
  const peer = { identity: asked.peer, address: asked.peerAddress };
  const { waypointIdentity, trustedWaypoints } = workload;
  if (waypointIdentity === undefined) {
    if (!trustedWaypoints.has(asked.peer)) return peer;
  } else if (waypointIdentity !== asked.peer) {
    return refuse(401, "DENY", `${policyRejection} the workload is reached through its waypoint only`);
  }
  if (asked.namedCaller === "malformed") return refuse(400, "-", "lambient-caller is malformed");
  return asked.namedCaller ?? peer;
}

function refuse(status: 400 | 401 | 503, flag: RefusalFlag, text: string): Refusal {
  return { kind: "refuse", status, flag, text };
}

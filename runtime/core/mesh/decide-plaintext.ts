/** Whether a plain connection to a workload of this node is let in: nobody vouches for its caller, so that only addresses and ports count. */
import type { IpAddress } from "#core/address/ip.ts";
import type { SocketAddress } from "#core/address/socket-address.ts";
import { decideAccess, denialText } from "#core/policy/decide-access.ts";
import {
  type InboundWorkload,
  ownPorts,
  policyRejection,
  recursionText,
  type RefusalFlag,
} from "./decide-inbound.ts";

/** What becomes of a plain connection. */
export type PlaintextDecision =
  | {
      readonly kind: "connect";
      readonly port: number;
      /** A dry-run policy that would have denied it. */
      readonly dryRunDenial: string | undefined;
    }
  | { readonly kind: "refuse"; readonly flag: RefusalFlag; readonly text: string };

/** Where the node's own health probes come from: an address that nothing else has. */
export const probeAddress: IpAddress = "169.254.7.127" as IpAddress;

/** Decides a connection by where it was meant to go and where it came from; a probe of the node passes whatever policies say. */
export function decidePlaintext(
  workload: Pick<InboundWorkload, "address" | "policies">,
  target: SocketAddress,
  peerAddress: IpAddress,
): PlaintextDecision {
  const refusal = refusalOfTarget(workload.address, target);
  if (refusal !== undefined) return { kind: "refuse", flag: "-", text: refusal };
  if (peerAddress === probeAddress) return { kind: "connect", port: target.port, dryRunDenial: undefined };
  const verdict = decideAccess(workload.policies, {
    source: undefined,
    sourceAddress: peerAddress,
    destinationAddress: workload.address,
    destinationPort: target.port,
  });
  if (verdict.kind === "denied")
    return { kind: "refuse", flag: "DENY", text: `${policyRejection} ${denialText(verdict)}` };
  return { kind: "connect", port: target.port, dryRunDenial: verdict.dryRunDenial };
}

function refusalOfTarget(address: IpAddress, { ip, port }: SocketAddress): string | undefined {
  if (ip !== address) return `ip mismatch: ${ip} != ${address}`;
  return ownPorts.has(port) ? recursionText : undefined;
}

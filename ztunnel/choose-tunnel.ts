/** How a connection that wants to become a tunnel to a workload of this node is served: with whose certificate, and what a failed handshake leaves. */
import type { SocketAddress } from "#core/address/socket-address.ts";
import { tunnelPort } from "#core/mesh/gateway-ref.ts";
import { errorText } from "#host/mesh-error.ts";
import type { ServeTunnelOptions } from "#host/tunnel/serve-tunnel.ts";
import type { TunnelError } from "#host/tunnel/tunnel-error.ts";
import { Connection } from "./connection.ts";
import { serveConnect } from "./inbound.ts";
import type { LocalWorkload } from "./local-workload.ts";
import type { Parts } from "./parts.ts";
import { noService, unknownParty } from "./party.ts";

/** The workload's own certificate; undefined closes the connection before TLS. */
export function chooseTunnel(
  parts: Parts,
  workload: LocalWorkload,
  local: SocketAddress,
  peer: SocketAddress,
): ServeTunnelOptions | undefined {
  const identity = workload.factsAt(parts.mesh.snapshot)?.source.identity;
  const certificate = identity && parts.certificates.peek(identity);
  if (local.ip !== workload.address || certificate === undefined) {
    parts.log.debug("tunnel closed before TLS", { to: local.ip, from: peer.ip, identity });
    return undefined;
  }
  return {
    certificate,
    onConnect: (request, responder) => serveConnect(parts, { workload, request, responder }),
    onClose: (error) => reportHandshake(parts, workload, peer, error),
  };
}

/** A handshake that failed leaves a line; what fails later is told by the connections that it carried. */
function reportHandshake(
  parts: Parts,
  workload: LocalWorkload,
  peer: SocketAddress,
  error: TunnelError | undefined,
): void {
  if (error === undefined || (error.code !== "tls" && error.code !== "identity")) return;
  const connection = new Connection(parts.ledger, {
    direction: "inbound",
    uid: workload.uid,
    source: unknownParty,
    sourceAddress: peer,
    destination: workload.factsAt(parts.mesh.snapshot)?.party ?? unknownParty,
    destinationAddress: { ip: workload.address, port: tunnelPort },
    tunnelTarget: undefined,
    service: noService,
    isMutualTls: false,
    trace: { ...parts.ledger.traceFor(undefined), sampled: false },
    parentSpanId: undefined,
  });
  connection.fail(`tls error: ${errorText(error)}`, "TLS_FAILURE");
}

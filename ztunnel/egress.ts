/** Carries a connection past the mesh: for functions as their egress says and never into the mesh's own ranges. */
import { type Cidr, cidrContains, type IpAddress } from "#core/address/ip.ts";
import { allowsDestination, type EgressRules } from "#core/mesh/egress-rules.ts";
import type { SocketAddress } from "#core/address/socket-address.ts";
import { closeFd, type Libc } from "#host/linux/libc.ts";
import { isErrno } from "#host/linux/errno.ts";
import { socketIn } from "#host/linux/namespaces.ts";
import { bindSocket } from "#host/linux/sockets.ts";
import { errorText } from "#host/mesh-error.ts";
import { connectStream } from "#host/tunnel/socket-stream.ts";
import { splice } from "#host/tunnel/splice.ts";
import type { Captured } from "./captured.ts";
import { Connection } from "./connection.ts";
import type { LocalFacts } from "./local-workload.ts";
import type { OutsideNames } from "./outside-names.ts";
import type { Parts } from "./parts.ts";
import { noService, unknownParty } from "./party.ts";
import { isLocalAddress } from "./reach.ts";

/** Carries a captured connection to its own destination, or resets it. */
export async function carryPast(
  parts: Parts,
  captured: Captured & { readonly facts: LocalFacts },
): Promise<void> {
  const { stream, facts, names, workload } = captured;
  const target = stream.localAddress;
  const connection = new Connection(parts.ledger, {
    direction: "outbound",
    uid: workload.uid,
    source: facts.party,
    sourceAddress: stream.peerAddress,
    destination: unknownParty,
    destinationAddress: target,
    tunnelTarget: undefined,
    service: noService,
    isMutualTls: false,
    trace: parts.ledger.traceFor(undefined),
    parentSpanId: undefined,
  });
  try {
    const refusal = facts.egress && refusalOf(parts, target, facts.egress, names);
    if (refusal !== undefined) {
      connection.refuse(refusal, "DENY");
      return stream.reset();
    }
    const far = await connectStream({ kind: "fd", fd: workload.reach.toWorld(target) });
    connection.begin(splice(stream, far, (end) => connection.end(end)));
  } catch (error) {
    connection.fail(errorText(error), "CONNECT");
    stream.reset();
  }
}

function refusalOf(
  parts: Parts,
  target: SocketAddress,
  rules: EgressRules,
  names: OutsideNames,
): string | undefined {
  const isWithin = (range: Cidr): boolean => cidrContains(range, target.ip);
  if (isLocalAddress(target.ip)) return `egress denied: ${target.ip} is this machine or its link`;
  if (parts.config.meshRanges.some(isWithin)) {
    return `egress denied: ${target.ip} is in a range of the mesh and no known destination`;
  }
  if (isOwnAddress(parts.libc, parts.hostNamespaceFd, target.ip)) {
    return `egress denied: ${target.ip} is an address of this machine`;
  }
  const allowed = allowsDestination(rules, target, (ip) => names.namesOf(ip));
  return allowed ? undefined : `egress denied: ${target.ip}:${target.port} is not in the function's list`;
}

/** Whether the namespace has the address: only its own can be bound, and asking so is never out of date. */
function isOwnAddress(libc: Libc, namespaceFd: number, ip: IpAddress): boolean {
  const family = ip.includes(":") ? 10 : 2;
  const fd = socketIn(libc, namespaceFd, { family, type: 1, protocol: 0 });
  try {
    bindSocket(libc, fd, { address: ip, port: 0 });
    return true;
  } catch (error) {
    if (isErrno(error, "EADDRNOTAVAIL")) return false;
    throw error;
  } finally {
    closeFd(libc, fd);
  }
}

/**
 * The capture program of a Pod that has an interface of its own: which of ztunnel's listeners receives a connection that leaves the Pod or comes to it.
 * Which packets meet it is the matter of the Pod's routing rules.
 */
import type { IpAddress } from "#core/address/ip.ts";
import { BpfAssembler } from "./bpf-assembler.ts";
import {
  assignListener,
  endProgram,
  familyIpv4,
  lookupField,
  networkOrder,
  protocolTcp,
} from "./lookup-program.ts";
import { podListeners } from "./pod-marks.ts";

/** What a Pod's program must know. */
export interface CapturedPod {
  /** The Pod's own IPv4 address. */
  readonly address: IpAddress;
  /** Its IPv4 nameserver. */
  readonly nameserver: IpAddress;
  /** Whether plaintext to the Pod is the mesh's matter. It meets ztunnel in either case: the Pod's own answers would meet the capture. */
  readonly capturesInbound: boolean;
  /** Whether what the Pod asks its nameserver goes to ztunnel. */
  readonly capturesDns: boolean;
}

const loopbackLink = 1;
const tunnelPort = 15_008;

/**
 * Writes the program. TCP over IPv4: from the Pod to itself as it is; to the Pod from elsewhere, to the listener of tunnels or of plaintext;
 * everything else, questions to the nameserver too, to the listener of what leaves. An empty slot drops. UDP is not its matter: by the
 * Pod's rules only questions come here, to a socket that bears the nameserver's address. IPv6 is dropped but for `::1`.
 */
export function podProgram(mapFd: number, pod: CapturedPod): Uint8Array {
  const program = new BpfAssembler()
    .move(6, 1)
    .load32(2, 6, lookupField.family)
    .jumpIf(2, "!=", familyIpv4, "ipv6")
    .load32(2, 6, lookupField.protocol)
    .jumpIf(2, "!=", protocolTcp, "pass")
    .load32(3, 6, lookupField.localIp4)
    .load32(5, 6, lookupField.arrivalLink)
    .setUnsigned(4, networkOrder(pod.address))
    .jumpIfRegister(3, "==", 4, "own")
    .move(4, 3)
    .and(4, 0xff) // The first octet, as it lies first in memory.
    .jumpIf(4, "==", 127, "pass")
    // An address that the Pod has besides its own, asked from elsewhere.
    .jumpIf(5, "!=", loopbackLink, "inbound");
  program
    .store32(10, -4, podListeners.outbound)
    .jump("assign")
    .label("own")
    .jumpIf(5, "==", loopbackLink, "pass")
    .label("inbound")
    .store32(10, -4, podListeners.tunnels)
    .load32(2, 6, lookupField.localPort)
    .jumpIf(2, "==", tunnelPort, "assign");
  program.store32(10, -4, podListeners.inbound);
  assignListener(program.label("assign"), mapFd);
  return endProgram(program.label("ipv6")).assemble();
}

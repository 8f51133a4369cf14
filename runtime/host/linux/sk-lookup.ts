/**
 * The capture program of sealed slots: which listening socket receives a connection, whatever its destination.
 * What it drops, the kernel refuses at once: a caller sees ECONNREFUSED.
 * It decides by the packet's protocol and addresses alone; who may talk to whom is ztunnel's business.
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

/** What a sealed slot's program must know. */
export interface SealedSlot {
  /** The slot's own IPv4 address: reached as it is. */
  readonly address: IpAddress;
  /** The slot's IPv4 nameserver: its port 53 is reached as it is, by UDP and TCP. */
  readonly nameserver: IpAddress;
}

/** The slot of the map in which a sealed slot's listener stands. */
export const sealedSlotListener = 0;

const dnsPort = 53;

/**
 * Writes the program of a sealed slot: every TCP connection goes to the map's socket, or is dropped when there is none.
 * Its own address, loopback and the nameserver's port 53 are reached as they are; all other UDP is dropped, and all IPv6 but `::1`.
 */
export function sealedSlotProgram(mapFd: number, slot: SealedSlot): Uint8Array {
  const program = new BpfAssembler()
    .move(6, 1)
    .load32(2, 6, lookupField.family)
    .jumpIf(2, "!=", familyIpv4, "ipv6")
    .load32(3, 6, lookupField.localIp4)
    .setUnsigned(4, networkOrder(slot.address))
    .jumpIfRegister(3, "==", 4, "pass")
    .setUnsigned(4, networkOrder(slot.nameserver))
    .jumpIfRegister(3, "==", 4, "nameserver")
    .move(4, 3)
    .and(4, 0xff) // The first octet, as it lies first in memory.
    .jumpIf(4, "==", 127, "pass")
    .label("captured")
    .load32(2, 6, lookupField.protocol)
    .jumpIf(2, "!=", protocolTcp, "drop")
    .store32(10, -4, sealedSlotListener);
  assignListener(program, mapFd)
    .label("nameserver")
    .load32(2, 6, lookupField.localPort)
    .jumpIf(2, "==", dnsPort, "pass")
    .jump("captured")
    .label("ipv6");
  return endProgram(program).assemble();
}

/**
 * The capture programs: which listening socket receives a connection, whatever its destination.
 * What a program drops, the kernel refuses at once: a caller sees ECONNREFUSED.
 * A program decides by the packet's protocol and addresses alone; who may talk to whom is ztunnel's business.
 */
import { type IpAddress, ipBytes } from "#core/address/ip.ts";
import { BpfAssembler } from "./bpf-assembler.ts";

/** What a sealed slot's program must know. */
export interface SealedSlot {
  /** The slot's own IPv4 address: reached as it is. */
  readonly address: IpAddress;
  /** The slot's IPv4 nameserver: its port 53 is reached as it is, by UDP and TCP. */
  readonly nameserver: IpAddress;
}

/** The slot of the map in which a sealed slot's listener stands. */
export const sealedSlotListener = 0;

// Offsets in `struct bpf_sk_lookup` (linux/bpf.h).
const field = { family: 8, protocol: 12, localIp4: 40, localIp6: 44, localPort: 60 } as const;
const verdict = { drop: 0, pass: 1 } as const;
const helper = { mapLookup: 1, skRelease: 86, skAssign: 124 } as const;
const ipv4 = 2;
const tcp = 6;
const dnsPort = 53;

/**
 * Writes the program of a sealed slot: every TCP connection goes to the map's socket, or is dropped when there is none.
 * Its own address, loopback and the nameserver's port 53 are reached as they are; all other UDP is dropped, and all IPv6 but `::1`.
 */
export function sealedSlotProgram(mapFd: number, slot: SealedSlot): Uint8Array {
  const program = new BpfAssembler()
    .move(6, 1)
    .load32(2, 6, field.family)
    .jumpIf(2, "!=", ipv4, "ipv6")
    .load32(3, 6, field.localIp4)
    .setUnsigned(4, networkOrder(slot.address))
    .jumpIfRegister(3, "==", 4, "pass")
    .setUnsigned(4, networkOrder(slot.nameserver))
    .jumpIfRegister(3, "==", 4, "nameserver")
    .move(4, 3)
    .and(4, 0xff) // The first octet, as it lies first in memory.
    .jumpIf(4, "==", 127, "pass")
    .label("captured")
    .load32(2, 6, field.protocol)
    .jumpIf(2, "!=", tcp, "drop")
    .store32(10, -4, sealedSlotListener)
    .move(2, 10)
    .add(2, -4)
    .setMap(1, mapFd)
    .call(helper.mapLookup)
    .jumpIf(0, "==", 0, "drop")
    .move(7, 0)
    .move(1, 6)
    .move(2, 7)
    .set(3, 0)
    .call(helper.skAssign)
    .move(8, 0)
    .move(1, 7)
    .call(helper.skRelease)
    .jumpIf(8, "==", 0, "pass")
    .jump("drop")
    .label("nameserver")
    .load32(2, 6, field.localPort)
    .jumpIf(2, "==", dnsPort, "pass")
    .jump("captured")
    .label("ipv6");
  for (const [offset, value] of loopbackV6) {
    program
      .load32(2, 6, field.localIp6 + offset)
      .setUnsigned(3, value)
      .jumpIfRegister(2, "!=", 3, "drop");
  }
  return program
    .label("pass")
    .set(0, verdict.pass)
    .exit()
    .label("drop")
    .set(0, verdict.drop)
    .exit()
    .assemble();
}

/** `::1` as four words in memory order. */
const loopbackV6 = [
  [0, 0],
  [4, 0],
  [8, 0],
  [12, 0x01000000],
] as const;

function networkOrder(address: IpAddress): number {
  const bytes = ipBytes(address);
  if (bytes.length !== 4) throw new Error(`Cannot capture a slot by an IPv4 address: ${address}`);
  return new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0, true);
}

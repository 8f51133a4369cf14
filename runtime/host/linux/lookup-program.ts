/** Words that all sk_lookup programs are made of: the context's fields, the verdicts, the hand-over to a listener. Which packet goes where is in sk-lookup.ts and pod-lookup.ts. */
import { type IpAddress, ipBytes } from "#core/address/ip.ts";
import type { BpfAssembler } from "./bpf-assembler.ts";

/** Offsets in `struct bpf_sk_lookup` (linux/bpf.h). */
export const lookupField = {
  family: 8,
  protocol: 12,
  localIp4: 40,
  localIp6: 44,
  localPort: 60,
  arrivalLink: 64,
} as const;

/** What a program decides. What it drops the kernel refuses at once. */
export const lookupVerdict = { drop: 0, pass: 1 } as const;

/** The address family of IPv4 packets. */
export const familyIpv4 = 2;
/** The protocol number of TCP. */
export const protocolTcp = 6;

const helper = { mapLookup: 1, skRelease: 86, skAssign: 124 } as const;
/** The map's socket gets it, though others may have joined its port (SO_REUSEPORT). */
const noReusePort = 2;

/**
 * Gives the packet to the map's socket whose slot was written to `frame − 4`; goes on at `pass` then, at `drop` when the slot is empty.
 * Needs the context in r6; uses all others.
 */
export function assignListener(program: BpfAssembler, mapFd: number): BpfAssembler {
  return program
    .move(2, 10)
    .add(2, -4)
    .setMap(1, mapFd)
    .call(helper.mapLookup)
    .jumpIf(0, "==", 0, "drop")
    .move(7, 0)
    .move(1, 6)
    .move(2, 7)
    .set(3, noReusePort)
    .call(helper.skAssign)
    .move(8, 0)
    .move(1, 7)
    .call(helper.skRelease)
    .jumpIf(8, "==", 0, "pass")
    .jump("drop");
}

/** Passes what goes to `::1` and drops all other IPv6, then writes the labels `pass` and `drop` with their verdicts. */
export function endProgram(program: BpfAssembler): BpfAssembler {
  for (const [offset, value] of loopbackV6) {
    program
      .load32(2, 6, lookupField.localIp6 + offset)
      .setUnsigned(3, value)
      .jumpIfRegister(2, "!=", 3, "drop");
  }
  return program
    .label("pass")
    .set(0, lookupVerdict.pass)
    .exit()
    .label("drop")
    .set(0, lookupVerdict.drop)
    .exit();
}

/** `::1` as four words in memory order. */
const loopbackV6 = [
  [0, 0],
  [4, 0],
  [8, 0],
  [12, 0x01000000],
] as const;

/** An IPv4 address as it is read from memory. @throws Error for another family */
export function networkOrder(address: IpAddress): number {
  const bytes = ipBytes(address);
  if (bytes.length !== 4) throw new Error(`Cannot capture by an IPv4 address: ${address}`);
  return new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0, true);
}

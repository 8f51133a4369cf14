/**
 * The programs by which a Service's address means one of its endpoints to the processes of a Pod outside the mesh, written as the socket calls
 * need them: no packet is changed, none passes a proxy. What the maps hold is written by service-redirect.ts.
 */
import { BpfAssembler } from "#host/linux/bpf-assembler.ts";

/** The maps that the programs read. */
export interface RedirectMaps {
  /** `{ address, port, protocol }` → `{ count, id }` */
  readonly services: number;
  /** `{ id, index }` → `{ address, port }` */
  readonly endpoints: number;
  /** `{ socket, endpoint's address, port }` → the Service's `{ address, port }` */
  readonly flows: number;
}

/** Whether a program may choose what its caller is told; kernels before 5.18 tell EPERM. */
export type Refusal = "connection refused" | "not permitted";

// Offsets in `struct bpf_sock_addr` (linux/bpf.h).
const context = { address4: 4, address6: 8, port: 24, protocol: 36 } as const;
const helper = { mapLookup: 1, mapUpdate: 2, random: 7, socketCookie: 46, setResult: 187 } as const;
const connectionRefused = 111;
const udp = 17;
/** The third word of an IPv4 address in IPv6's form. */
const mappedMark = 0xffff0000;

/** Places in the frame. */
const frame = { service: -12, endpoint: -24, flow: -40, original: -48 } as const;

/** For `connect` and `sendmsg`: replaces a Service's address by an endpoint's, and refuses when there is none. */
export function towardsProgram(family: 4 | 6, maps: RedirectMaps, refusal: Refusal): Uint8Array {
  const address = addressOffset(family);
  const program = new BpfAssembler().move(6, 1);
  skipOthers(program, family)
    .load32(2, 6, address)
    .storeRegister32(10, frame.service, 2)
    .storeRegister32(10, frame.original, 2)
    .load32(2, 6, context.port)
    .storeRegister32(10, frame.service + 4, 2)
    .storeRegister32(10, frame.original + 4, 2)
    .load32(9, 6, context.protocol)
    .storeRegister32(10, frame.service + 8, 9);
  lookUp(program, maps.services, frame.service)
    .jumpIf(0, "==", 0, "pass")
    .load32(8, 0, 0)
    .load32(7, 0, 4)
    .jumpIf(8, "==", 0, "refuse")
    .jumpIf(9, "==", udp, "datagram")
    .call(helper.random)
    .jump("chosen")
    // All datagrams of a socket go to one endpoint.
    .label("datagram")
    .move(1, 6)
    .call(helper.socketCookie)
    .label("chosen")
    .remainder(0, 8)
    .storeRegister32(10, frame.endpoint, 7)
    .storeRegister32(10, frame.endpoint + 4, 0);
  lookUp(program, maps.endpoints, frame.endpoint)
    .jumpIf(0, "==", 0, "refuse")
    .load32(8, 0, 0)
    .load32(9, 0, 4)
    .move(1, 6)
    .call(helper.socketCookie)
    .storeRegister64(10, frame.flow, 0)
    .storeRegister32(10, frame.flow + 8, 8)
    .storeRegister32(10, frame.flow + 12, 9)
    .setMap(1, maps.flows)
    .move(2, 10)
    .add(2, frame.flow)
    .move(3, 10)
    .add(3, frame.original)
    .set(4, 0)
    .call(helper.mapUpdate)
    .storeRegister32(6, address, 8)
    .storeRegister32(6, context.port, 9)
    .jump("pass")
    .label("refuse");
  if (refusal === "connection refused") program.set(1, -connectionRefused).call(helper.setResult);
  return program.set(0, 0).exit().label("pass").set(0, 1).exit().assemble();
}

/** For `recvmsg` and `getpeername`: shows the Service's address again where an endpoint answers. */
export function backProgram(family: 4 | 6, maps: RedirectMaps): Uint8Array {
  const address = addressOffset(family);
  const program = new BpfAssembler().move(6, 1);
  skipOthers(program, family)
    .call(helper.socketCookie)
    .storeRegister64(10, frame.flow, 0)
    .load32(2, 6, address)
    .storeRegister32(10, frame.flow + 8, 2)
    .load32(2, 6, context.port)
    .storeRegister32(10, frame.flow + 12, 2);
  return lookUp(program, maps.flows, frame.flow)
    .jumpIf(0, "==", 0, "pass")
    .load32(8, 0, 0)
    .load32(9, 0, 4)
    .storeRegister32(6, address, 8)
    .storeRegister32(6, context.port, 9)
    .label("pass")
    .set(0, 1)
    .exit()
    .assemble();
}

function addressOffset(family: 4 | 6): number {
  return family === 4 ? context.address4 : context.address6 + 12;
}

/** A socket of IPv6 may speak IPv4; its other destinations are none of ours. */
function skipOthers(program: BpfAssembler, family: 4 | 6): BpfAssembler {
  if (family === 4) return program;
  for (const [word, value] of [0, 0, mappedMark].entries()) {
    program
      .load32(2, 6, context.address6 + 4 * word)
      .setUnsigned(3, value)
      .jumpIfRegister(2, "!=", 3, "pass");
  }
  return program;
}

function lookUp(program: BpfAssembler, mapFd: number, keyAt: number): BpfAssembler {
  return program.setMap(1, mapFd).move(2, 10).add(2, keyAt).call(helper.mapLookup);
}

/** What passes on a namespace's links, by an AF_PACKET socket; reads TCP over IPv4 far enough to see ports and payload. */
import { closeFd, type Libc } from "#host/linux/libc.ts";
import { socketIn } from "#host/linux/namespaces.ts";

/** A packet from its IP header on. */
export interface LinkPacket {
  readonly link: "lo" | "other";
  readonly bytes: Buffer;
}

/** A capture that runs. */
export interface LinkCapture extends Disposable {
  /** Everything since the last reading. */
  read(): LinkPacket[];
}

const everyProtocol = 0x0300; // ETH_P_ALL in network order
const loopbackType = 772;
const packetBytesMax = 65_536;

/** Starts capturing on every link of the namespace. */
export function openLinkCapture(libc: Libc, namespaceFd: number): LinkCapture {
  const fd = socketIn(libc, namespaceFd, { family: 17, type: 2, protocol: everyProtocol });
  return {
    read() {
      const packets: LinkPacket[] = [];
      const bytes = Buffer.alloc(packetBytesMax);
      const from = Buffer.alloc(20);
      const length = Buffer.from([20, 0, 0, 0]);
      for (;;) {
        const count = libc.attempt("recvfrom", fd, bytes, bytes.length, 0, from, length);
        if (count < 0) return packets;
        const link = from.readUInt16LE(8) === loopbackType ? "lo" : "other";
        packets.push({ link, bytes: Buffer.from(bytes.subarray(0, count)) });
      }
    },
    [Symbol.dispose]: () => closeFd(libc, fd),
  };
}

/** The ports and payload of a TCP packet over IPv4; undefined for others. */
export function readTcp(bytes: Buffer): { readonly ports: number[]; readonly payload: Buffer } | undefined {
  if (bytes.length < 40 || bytes[0] === undefined || bytes[0] >> 4 !== 4 || bytes[9] !== 6) return undefined;
  const ipBytes = (bytes[0] & 15) * 4;
  const tcp = bytes.subarray(ipBytes, bytes.readUInt16BE(2));
  const headBytes = ((tcp[12] ?? 0) >> 4) * 4;
  return { ports: [tcp.readUInt16BE(0), tcp.readUInt16BE(2)], payload: tcp.subarray(headBytes) };
}

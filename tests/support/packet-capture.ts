/** Every packet that crosses a network namespace while it is open, by a packet socket of our own: no tcpdump. Loopback shows each packet twice. */
import { closeFd, type Libc } from "#host/linux/libc.ts";
import { openNetworkNamespace, socketIn } from "#host/linux/namespaces.ts";
import type { Poller } from "#host/linux/poller.ts";
import { formatIp } from "#core/address/ip.ts";

/** One IPv4 packet of TCP or UDP. */
export interface CapturedPacket {
  readonly protocol: "tcp" | "udp";
  readonly source: string;
  readonly sourcePort: number;
  readonly destination: string;
  readonly destinationPort: number;
  readonly payload: Buffer;
}

/** A capture that runs. */
export interface PacketCapture {
  /** Ends it and gives what came. @throws Error when packets were lost, for then absence says nothing */
  finish(): readonly CapturedPacket[];
}

const packetFamily = 17;
const rawType = 3;
const everyProtocol = 0x0300; // ETH_P_ALL in network order
const ethernetBytes = 14;
const packetsMax = 200_000;
const solPacket = 263;
const statistics = 6;
const solSocket = 1;
const receiveBufferForce = 33;

/** Begins to capture in the namespace behind a path. @param onPacket told of each packet as it comes */
export function openPacketCapture(
  libc: Libc,
  poller: Poller,
  namespacePath: string,
  onPacket?: (packet: CapturedPacket) => void,
): PacketCapture {
  using namespace = openNetworkNamespace(namespacePath);
  const fd = socketIn(libc, namespace.fd, { family: packetFamily, type: rawType, protocol: everyProtocol });
  const room = Buffer.alloc(4);
  room.writeInt32LE(64 << 20);
  libc.call("Cannot make room for packets", "setsockopt", fd, solSocket, receiveBufferForce, room, 4);
  const packets: CapturedPacket[] = [];
  const buffer = Buffer.alloc(1 << 17);
  const drain = (): void => {
    for (;;) {
      const length = libc.attempt("read", fd, buffer, buffer.length);
      if (length <= 0) return;
      const packet = parsePacket(Buffer.from(buffer.subarray(ethernetBytes, length)));
      if (packet === undefined) continue;
      if (packets.length < packetsMax) packets.push(packet);
      onPacket?.(packet);
    }
  };
  const watch = poller.watch(fd, "readable", () => {
    drain();
    watch.rearm();
  });
  return {
    finish() {
      drain();
      watch.close();
      const counts = Buffer.alloc(8);
      const size = Buffer.alloc(4);
      size.writeInt32LE(8);
      libc.call("Cannot count packets", "getsockopt", fd, solPacket, statistics, counts, size);
      closeFd(libc, fd);
      const lost = counts.readUInt32LE(4);
      if (lost > 0) throw new Error(`Cannot tell what crossed: ${lost} packets were lost`);
      return packets;
    },
  };
}

/** Reads an IPv4 packet; undefined for everything else. */
export function parsePacket(bytes: Buffer): CapturedPacket | undefined {
  if (bytes.length < 28 || (bytes[0] ?? 0) >> 4 !== 4) return undefined;
  const header = ((bytes[0] ?? 0) & 15) * 4;
  const protocol = bytes[9] === 6 ? "tcp" : bytes[9] === 17 ? "udp" : undefined;
  if (protocol === undefined || bytes.length < header + 8) return undefined;
  const offset = protocol === "tcp" ? ((bytes[header + 12] ?? 0) >> 4) * 4 : 8;
  return {
    protocol,
    source: formatIp(bytes.subarray(12, 16)),
    destination: formatIp(bytes.subarray(16, 20)),
    sourcePort: bytes.readUInt16BE(header),
    destinationPort: bytes.readUInt16BE(header + 2),
    payload: bytes.subarray(header + offset, bytes.readUInt16BE(2) || bytes.length),
  };
}

/** The TCP sockets of a network namespace as the kernel lists them (sock_diag), those included that no process holds any more or yet. */
import { formatIp } from "#core/address/ip.ts";
import type { Netlink } from "./netlink.ts";
import { decodeAttributes, readU32 } from "./netlink-message.ts";
import type { Endpoint } from "./sockets.ts";

/** One socket. */
export interface ListedSocket {
  readonly local: Endpoint;
  readonly peer: Endpoint;
  /** Its packets' mark; 0 for none. */
  readonly mark: number;
  /** Which file it is; 0 when no process holds it: not accepted yet, or closed with data still on its way. */
  readonly inode: number;
}

const byFamily = 20;
const tcp = 6;
const markAttribute = 15;
const fixedBytes = 72;
/** `1 << state` of everything that has a peer, but for TIME_WAIT, which has nothing more to say. */
const connectedStates = [1, 2, 3, 4, 5, 8, 9, 11, 12].reduce((mask, state) => mask | (1 << state), 0);

/**
 * Lists the connections of the namespace whose mark is asked for, of both families; an IPv4 peer of an IPv6 socket reads as IPv4.
 * The netlink must be one of sockets.
 */
export function listConnections(netlink: Netlink, hasMark: (mark: number) => boolean): ListedSocket[] {
  return [2, 10].flatMap((family) => {
    const fixed = Buffer.alloc(56);
    fixed[0] = family;
    fixed[1] = tcp;
    fixed.writeUInt32LE(connectedStates, 4);
    const what = "Cannot list the connections of a network namespace";
    return netlink.list({ what, type: byFamily, flags: 0, fixed, attributes: [] }).flatMap(({ body }) => {
      if (body.length < fixedBytes) return [];
      const mark = readU32(decodeAttributes(body.subarray(fixedBytes)).get(markAttribute)) ?? 0;
      return hasMark(mark) ? [decode(body, mark)] : [];
    });
  });
}

function decode(body: Uint8Array, mark: number): ListedSocket {
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
  const addressBytes = body[0] === 10 ? 16 : 4;
  return {
    local: { address: formatIp(body.subarray(8, 8 + addressBytes)), port: view.getUint16(4) },
    peer: { address: formatIp(body.subarray(24, 24 + addressBytes)), port: view.getUint16(6) },
    inode: view.getUint32(68, true),
    mark,
  };
}

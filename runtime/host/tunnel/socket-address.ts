/** The engine's words for a socket's two ends, as values of ours. */
import type { Socket } from "bun";
import { parseIp } from "#core/address/ip.ts";
import type { SocketAddress } from "#core/address/socket-address.ts";
import { TunnelError } from "./tunnel-error.ts";

/** The address a connection was accepted on or leaves from. @throws TunnelError when the socket is gone. */
export function localAddressOf(socket: Socket<unknown>): SocketAddress {
  return addressOf(socket.localAddress, socket.localPort);
}

/** The other end's address. @throws TunnelError when the socket is gone, or not connected yet. */
export function peerAddressOf(socket: Socket<unknown>): SocketAddress {
  return addressOf(socket.remoteAddress, socket.remotePort);
}

function addressOf(ip: string | undefined, port: number): SocketAddress {
  const parsed = parseIp(ip ?? "");
  if (!parsed.ok) throw new TunnelError("connect", "Cannot know a socket's address: it is not connected");
  return { ip: parsed.value, port };
}

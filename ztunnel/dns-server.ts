/** A name server inside a workload's namespace, on the address that its resolver asks, by UDP and TCP; what is answered is decided elsewhere. */
import type { IpAddress } from "#core/address/ip.ts";
import { dnsPort, type NameTurn, serveNamesByTcp, serveNamesByUdp } from "#host/dns/name-sockets.ts";
import { writeSettings } from "#host/linux/sysctls.ts";
import { type SocketOptions, startListen } from "#host/linux/sockets.ts";
import { listenStreams } from "#host/tunnel/socket-stream.ts";
import type { SocketStream } from "#host/tunnel/tcp-stream.ts";
import { answerName, type NameServer } from "./answer-name.ts";
import type { Parts } from "./parts.ts";

/** Starts serving on an address that the workload's namespace has. @returns how to stop. @throws LinuxError when it cannot be bound. */
export function openDnsServer(parts: Parts, server: NameServer, address: IpAddress): () => void {
  const { libc } = parts;
  const at = { address, port: dnsPort };
  const fd = startListen(libc, server.workload.namespaceFd, at, { freeBind: true });
  const listener = listenStreams({ kind: "fd", fd }, serveNameStreams(parts, server));
  const closeUdp = serveUdp(parts, server, { address, options: {} });
  return () => {
    listener.close();
    closeUdp();
  };
}

/** Serves queries by UDP to an address that is not the namespace's own, from sockets with these options. @returns how to stop. */
export function openCapturedNames(
  parts: Parts,
  server: NameServer,
  socket: { readonly address: IpAddress; readonly options: SocketOptions },
): () => void {
  // The engine cannot set options before it binds.
  writeSettings(parts.libc, server.workload.namespaceFd, new Map([["ipv4/ip_nonlocal_bind", "1"]]));
  return serveUdp(parts, server, socket);
}

/** Serves name queries on TCP connections that were accepted elsewhere. */
export function serveNameStreams(parts: Parts, server: NameServer): (stream: SocketStream) => void {
  return serveNamesByTcp(parts.clock, turnOf(parts, server));
}

function turnOf(parts: Parts, server: NameServer): NameTurn {
  return (message, transport) => answerName(parts, server, message, transport);
}

function serveUdp(
  parts: Parts,
  server: NameServer,
  socket: { readonly address: IpAddress; readonly options: SocketOptions },
): () => void {
  const { libc, log } = parts;
  const { namespaceFd } = server.workload;
  return serveNamesByUdp({ libc, log, namespaceFd, turn: turnOf(parts, server), ...socket });
}

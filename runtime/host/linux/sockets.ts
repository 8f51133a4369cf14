/** Sockets made and asked by system calls where Bun has no word for it: sources, marks, states, other namespaces, other processes. */
import { formatIp, type IpAddress, ipBytes } from "#core/address/ip.ts";
import { errnoName, LinuxError } from "./errno.ts";
import { closeFd, type Libc } from "./libc.ts";
import { u32s } from "./memory.ts";
import { socketIn } from "./namespaces.ts";

/** An address with a port. */
export interface Endpoint {
  readonly address: IpAddress;
  readonly port: number;
}

/** A socket's wishes before it is bound. */
export interface SocketOptions {
  /** The packets' mark, which routing rules read. */
  readonly mark?: number;
  /** May bind addresses that are not the namespace's own, and receive for them. */
  readonly transparent?: boolean;
  /** May bind addresses that do not exist yet. */
  readonly freeBind?: boolean;
  /** May bind a port that others like it are bound to, as long as they go elsewhere. */
  readonly reuseAddress?: boolean;
}

/** How far a connection is. */
export type TcpState = "established" | "connecting" | "closed" | "listening" | "closing";

const level = { ip: 0, socket: 1, tcp: 6, ipv6: 41 } as const;
const option = {
  reuseAddress: 2,
  error: 4,
  mark: 36,
  transparent: 19,
  freeBind: 15,
  transparentV6: 75,
  tcpInfo: 11,
} as const;
const stream = 1;
const familyV4 = 2;
const familyV6 = 10;
const states: Readonly<Record<number, TcpState>> = {
  1: "established",
  2: "connecting",
  3: "connecting",
  7: "closed",
  10: "listening",
};

/**
 * Starts a TCP connection from a namespace and gives its socket while it is still connecting: hand it to `Bun.connect({ fd })`.
 * It is connected at the first `drain` with {@link tcpState} `established`, not at `open`.
 * @throws LinuxError when it is refused at once, for instance `EADDRNOTAVAIL` for the source or `ENETUNREACH`
 */
export function startConnect(
  libc: Libc,
  namespaceFd: number,
  ends: { readonly to: Endpoint; readonly from?: Endpoint },
  options: SocketOptions = {},
): number {
  const isV6 = ends.to.address.includes(":");
  const fd = socketIn(libc, namespaceFd, {
    family: isV6 ? familyV6 : familyV4,
    type: stream,
    protocol: 0,
  });
  try {
    applyOptions(libc, fd, isV6, options);
    if (ends.from !== undefined) bindSocket(libc, fd, ends.from);
    const address = encodeEndpoint(ends.to);
    const result = libc.attempt("connect", fd, address, address.length);
    if (result < 0 && errnoName(-result) !== "EINPROGRESS") {
      throw new LinuxError(`Cannot connect to ${ends.to.address} port ${ends.to.port}`, -result);
    }
    return fd;
  } catch (error) {
    closeFd(libc, fd);
    throw error;
  }
}

/** Makes a listening TCP socket in a namespace: hand it to `Bun.listen({ fd })` or put it into a capture map. */
export function startListen(
  libc: Libc,
  namespaceFd: number,
  at: Endpoint,
  options: SocketOptions & { readonly backlog?: number } = {},
): number {
  const isV6 = at.address.includes(":");
  const fd = socketIn(libc, namespaceFd, {
    family: isV6 ? familyV6 : familyV4,
    type: stream,
    protocol: 0,
  });
  try {
    setOption(libc, fd, [level.socket, option.reuseAddress], 1);
    applyOptions(libc, fd, isV6, options);
    bindSocket(libc, fd, at);
    libc.call(
      `Cannot listen at ${at.address} port ${at.port}`,
      "listen",
      fd,
      options.backlog ?? defaultBacklog,
    );
    return fd;
  } catch (error) {
    closeFd(libc, fd);
    throw error;
  }
}

const defaultBacklog = 1024;

/** Binds a socket to a source or a listening address. */
export function bindSocket(libc: Libc, fd: number, at: Endpoint): void {
  const address = encodeEndpoint(at);
  libc.call(`Cannot bind to ${at.address} port ${at.port}`, "bind", fd, address, address.length);
}

/** Sets options on a socket made elsewhere, for instance the descriptor of a `Bun.listen`. */
export function applyOptions(libc: Libc, fd: number, isV6: boolean, options: SocketOptions): void {
  if (options.mark !== undefined) setOption(libc, fd, [level.socket, option.mark], options.mark);
  if (options.reuseAddress === true) setOption(libc, fd, [level.socket, option.reuseAddress], 1);
  if (options.freeBind === true) setOption(libc, fd, [level.ip, option.freeBind], 1);
  if (options.transparent !== true) return;
  if (isV6) setOption(libc, fd, [level.ipv6, option.transparentV6], 1);
  else setOption(libc, fd, [level.ip, option.transparent], 1);
}

/** The socket's own end: for a captured connection, the destination that its caller asked for. */
export function localEndpoint(libc: Libc, fd: number): Endpoint {
  return endpointBy(libc, "getsockname", fd);
}

/** The other end. @throws LinuxError `ENOTCONN` */
export function peerEndpoint(libc: Libc, fd: number): Endpoint {
  return endpointBy(libc, "getpeername", fd);
}

/** How far a TCP socket is. */
export function tcpState(libc: Libc, fd: number): TcpState {
  const info = Buffer.alloc(8);
  libc.call("Cannot ask a socket's state", "getsockopt", fd, level.tcp, option.tcpInfo, info, u32s(8));
  return states[info[0] ?? 0] ?? "closing";
}

/** Sets a socket's mark, which routing rules read; its way is looked up anew. */
export function setMark(libc: Libc, fd: number, mark: number): void {
  setOption(libc, fd, [level.socket, option.mark], mark);
}

/** Why a connection failed, such as `ECONNREFUSED`; undefined when it did not. Asking clears it. */
export function socketError(libc: Libc, fd: number): string | undefined {
  const value = Buffer.alloc(4);
  libc.call("Cannot ask a socket's error", "getsockopt", fd, level.socket, option.error, value, u32s(4));
  const errno = value.readInt32LE(0);
  return errno === 0 ? undefined : errnoName(errno);
}

/** A copy of a descriptor, close-on-exec. */
export function duplicate(libc: Libc, fd: number): number {
  return libc.call("Cannot copy a descriptor", "fcntl", fd, 1030, 0);
}

/** A descriptor of a process: readable once it has ended, and it never means another process. */
export function openPidfd(libc: Libc, pid: number): number {
  return libc.call(`Cannot open process ${pid}`, "pidfd_open", pid, 0);
}

/** A copy of another process's descriptor; it needs the right to trace that process. */
export function takeFd(libc: Libc, pidfd: number, theirFd: number): number {
  return libc.call(`Cannot take descriptor ${theirFd} of a process`, "pidfd_getfd", pidfd, theirFd, 0);
}

/** The bytes of `struct sockaddr_in` or `sockaddr_in6`. */
export function encodeEndpoint(endpoint: Endpoint): Buffer {
  const bytes = ipBytes(endpoint.address);
  const isV6 = bytes.length === 16;
  const address = Buffer.alloc(isV6 ? 28 : 16);
  address.writeUInt16LE(isV6 ? familyV6 : familyV4, 0);
  address.writeUInt16BE(endpoint.port, 2);
  address.set(bytes, isV6 ? 8 : 4);
  return address;
}

/** Reads such bytes; undefined for another family. An IPv4-mapped IPv6 address reads as its IPv4 form. */
export function decodeEndpoint(address: Buffer): Endpoint | undefined {
  const family = address.readUInt16LE(0);
  if (family !== familyV4 && family !== familyV6) return undefined;
  const bytes = family === familyV6 ? address.subarray(8, 24) : address.subarray(4, 8);
  return { address: formatIp(bytes), port: address.readUInt16BE(2) };
}

function endpointBy(libc: Libc, call: "getsockname" | "getpeername", fd: number): Endpoint {
  const address = Buffer.alloc(28);
  libc.call("Cannot ask a socket's address", call, fd, address, u32s(28));
  const endpoint = decodeEndpoint(address);
  if (endpoint === undefined)
    throw new Error("Cannot read a socket's address as IPv4 or IPv6: another family");
  return endpoint;
}

function setOption(libc: Libc, fd: number, [where, name]: readonly [number, number], value: number): void {
  libc.call("Cannot set a socket's option", "setsockopt", fd, where, name, u32s(value), 4);
}

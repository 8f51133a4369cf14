/** SOCK_SEQPACKET unix sockets whose messages carry descriptors; waiting for them is the poller's business. Nothing here blocks. */
import { rmSync } from "node:fs";
import { errnoName, LinuxError } from "./errno.ts";
import { checked, closeFd, type Libc } from "./libc.ts";

/** One message. Its descriptors are the receiver's to close. */
export interface PacketMessage {
  readonly data: Buffer;
  readonly fds: readonly number[];
}

/** What came of a receive: nothing yet, the end, a message, or one that broke a bound (its descriptors are closed). */
export type Received =
  | { readonly kind: "empty" }
  | { readonly kind: "ended" }
  | { readonly kind: "message"; readonly message: PacketMessage }
  | { readonly kind: "cut" };

/** What a receiver takes at most. */
export interface PacketLimits {
  readonly bytesMax: number;
  readonly fdsMax: number;
}

const unixFamily = 1;
const seqPacketType = 5 | 0o2004000;
const pathBytesMax = 107;

/** Serves a path, mode 0600, replacing a stale socket file; the descriptor is readable when someone connects. */
export function listenPackets(libc: Libc, path: string, backlog = 16): number {
  const address = encodePath(path);
  rmSync(path, { force: true });
  const fd = libc.call("Cannot make a packet socket", "socket", unixFamily, seqPacketType, 0);
  const beginning = `Cannot serve packets at ${path}`;
  try {
    libc.call(beginning, "bind", fd, address, address.length);
    libc.call(beginning, "chmod", Buffer.from(`${path}\0`), 0o600);
    libc.call(beginning, "listen", fd, backlog);
    return fd;
  } catch (error) {
    closeFd(libc, fd);
    throw error;
  }
}

/** Accepts one connection; undefined when none waits. */
export function acceptPackets(libc: Libc, listenerFd: number): number | undefined {
  const result = libc.attempt("accept4", listenerFd, null, null, 0o2004000);
  if (isNotNow(result)) return undefined;
  return checked("Cannot accept a packet connection", result);
}

/** Connects to a served path. @throws LinuxError `ENOENT` or `ECONNREFUSED` when nobody serves it */
export function connectPackets(libc: Libc, path: string): number {
  const address = encodePath(path);
  const fd = libc.call("Cannot make a packet socket", "socket", unixFamily, seqPacketType, 0);
  const result = libc.attempt("connect", fd, address, address.length);
  if (result >= 0) return fd;
  closeFd(libc, fd);
  throw new LinuxError(`Cannot connect to ${path} as a packet socket`, -result);
}

/**
 * Sends one message.
 * @returns false when the socket takes none now: try again when it is writable.
 * @throws LinuxError, for instance `EPIPE` when the peer is gone
 */
export function sendPacket(libc: Libc, fd: number, data: Uint8Array, fds: readonly number[] = []): boolean {
  const result = libc.native.send_message(fd, data, data.length, Int32Array.from(fds), fds.length);
  if (isNotNow(result)) return false;
  checked("Cannot send a packet", result);
  return true;
}

/** Receives one message. @throws LinuxError when the connection failed */
export function receivePacket(libc: Libc, fd: number, limits: PacketLimits): Received {
  const data = Buffer.alloc(limits.bytesMax);
  const out = new Int32Array(2 + limits.fdsMax);
  const length = libc.native.receive_message(fd, data, data.length, out, limits.fdsMax);
  if (isNotNow(length)) return { kind: "empty" };
  checked("Cannot receive a packet", length);
  const fds = Array.from(out.subarray(2, 2 + (out[1] ?? 0)));
  if (out[0] !== 0) {
    for (const received of fds) closeFd(libc, received);
    return { kind: "cut" };
  }
  if (length === 0 && fds.length === 0) return { kind: "ended" };
  return { kind: "message", message: { data: data.subarray(0, length), fds } };
}

function isNotNow(result: number): boolean {
  const name = result < 0 ? errnoName(-result) : "";
  return name === "EAGAIN" || name === "EINTR";
}

function encodePath(path: string): Buffer {
  const bytes = Buffer.from(path);
  if (bytes.length > pathBytesMax || bytes.includes(0)) {
    throw new Error(
      `Cannot use a socket path of at most ${pathBytesMax} bytes: "${path}" has ${bytes.length}; choose a shorter folder`,
    );
  }
  const address = Buffer.alloc(2 + bytes.length + 1);
  address.writeUInt16LE(unixFamily, 0);
  bytes.copy(address, 2);
  return address;
}

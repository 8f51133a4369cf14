/** The sockets by which a workload is reached and reaches others: in whose namespace each is made, and with which source; what is carried is decided elsewhere. */
import { type Cidr, cidrContains, type IpAddress, parseCidr } from "#core/address/ip.ts";
import type { SocketAddress } from "#core/address/socket-address.ts";
import { isErrno } from "#host/linux/errno.ts";
import type { Libc } from "#host/linux/libc.ts";
import { podMarks } from "#host/linux/pod-marks.ts";
import { type Endpoint, type SocketOptions, startConnect } from "#host/linux/sockets.ts";
import { writeSettings } from "#host/linux/sysctls.ts";

/** Starts connections; each call gives the descriptor of a socket that is still connecting. @throws LinuxError when it is refused at once */
export interface Reach {
  /** Into the mesh, from the workload's own address. */
  toMesh(to: SocketAddress): number;
  /** In plain to an endpoint of a service, wherever that is. */
  toEndpoint(to: SocketAddress): number;
  /** Past the mesh. */
  toWorld(to: SocketAddress): number;
  /** To the workload itself, from its caller's address. */
  toApplication(port: number, caller: IpAddress): number;
}

/** What sockets are made with. */
export interface Kernel {
  readonly libc: Libc;
  /** The namespace from which the world outside the mesh is reached. */
  readonly hostNamespaceFd: number;
}

/** Where a workload is. */
export interface ReachedPlace {
  readonly address: IpAddress;
  readonly namespaceFd: number;
}

/** What sockets of ours in a Pod's network need: their packets leave it uncaptured, and may carry another's address. */
export const podSocket: SocketOptions = { mark: podMarks.proxy, transparent: true };

/** Those to the Pod itself: its answers come back to us by this mark. */
const loopedSocket: SocketOptions = { mark: podMarks.looped, transparent: true, reuseAddress: true };

/** A slot has no way out: sockets towards others are ours, with its address. */
export function reachOfSlot({ libc, hostNamespaceFd }: Kernel, place: ReachedPlace): Reach {
  const toMesh = (to: SocketAddress): number => {
    const ends = { to: endpoint(to), from: { address: place.address, port: 0 } };
    return startConnect(libc, libc.homeNamespace, ends, { freeBind: true });
  };
  const ports: CallerPorts = { next: 0 };
  return {
    toMesh,
    // What is outside the mesh a function reaches as its egress says, and by no Service.
    toEndpoint: toMesh,
    toWorld: (to) => startConnect(libc, hostNamespaceFd, { to: endpoint(to) }),
    toApplication(port, caller) {
      const to = { address: place.address, port };
      const connect = (from?: Endpoint): number =>
        startConnect(libc, place.namespaceFd, from === undefined ? { to } : { to, from }, slotSocket);
      // A workload that calls itself needs no source: its own address would meet itself.
      return caller === place.address ? connect() : connectAs(caller, ports, connect);
    },
  };
}

/** A slot's sockets towards its function bear addresses that the slot has not. */
const slotSocket: SocketOptions = { freeBind: true, reuseAddress: true };

/** A Pod that is reached; one that leaves the mesh no longer has the rules by which replies to others' addresses come back to us. */
export interface PodPlace extends ReachedPlace {
  readonly isLeaving: boolean;
}

/**
 * A Pod has a network of its own, in which its sockets are made.
 * @param meshRanges what only the Pod's own network knows the way to, besides its links
 */
export function reachOfPod(
  { libc, hostNamespaceFd }: Kernel,
  place: PodPlace,
  meshRanges: readonly Cidr[],
): Reach {
  const toMesh = (to: SocketAddress): number =>
    startConnect(libc, place.namespaceFd, { to: endpoint(to) }, podSocket);
  const toWorld = (to: SocketAddress): number => {
    const isNear = isLocalAddress(to.ip) || meshRanges.some((range) => cidrContains(range, to.ip));
    // Where the host is another namespace than the node, the node has no way to the world.
    if (isNear || hostNamespaceFd === libc.homeNamespace) return toMesh(to);
    return startConnect(libc, hostNamespaceFd, { to: endpoint(to) });
  };
  const ports: CallerPorts = { next: 0 };
  return {
    toMesh,
    toEndpoint: toWorld,
    toWorld,
    toApplication(port, caller) {
      const to = { address: place.address, port };
      const connect = (from?: Endpoint): number =>
        startConnect(libc, place.namespaceFd, from === undefined ? { to } : { to, from }, loopedSocket);
      return place.isLeaving || caller === place.address ? connect() : connectAs(caller, ports, connect);
    },
  };
}

/** The ports that callers have in our name, one after the other. */
interface CallerPorts {
  next: number;
}

/**
 * Below those that the kernel gives to whoever connects: a caller's own connection to the Pod and the one that we open for
 * it would otherwise meet as one, when both have the same port.
 */
const callerPorts = { first: 16_384, count: 16_384 } as const;
/** Ports that are taken follow each other rarely. */
const attemptsMax = 64;

/** What is opened in callers' names comes and goes fast: in this namespace a port serves again a second after its connection. */
export function reusePortsSoon(libc: Libc, namespaceFd: number): void {
  writeSettings(libc, namespaceFd, new Map([["ipv4/tcp_tw_reuse", "1"]]));
}

/**
 * Connects as the caller from the port that was used longest ago: the kernel would keep a port for a minute after its
 * connection, and look for a free one ever longer. @throws LinuxError
 */
function connectAs(address: IpAddress, ports: CallerPorts, connect: (from: Endpoint) => number): number {
  for (let attempt = 1; ; attempt++) {
    const port = callerPorts.first + ports.next;
    ports.next = (ports.next + 1) % callerPorts.count;
    try {
      return connect({ address, port });
    } catch (error) {
      const isTaken = isErrno(error, "EADDRINUSE") || isErrno(error, "EADDRNOTAVAIL");
      if (!isTaken || attempt === attemptsMax) throw error;
    }
  }
}

/** Ranges that mean a machine itself or its links, whoever looks. */
const localRanges: readonly Cidr[] = [
  "0.0.0.0/8",
  "127.0.0.0/8",
  "169.254.0.0/16",
  "224.0.0.0/4",
  "240.0.0.0/4",
  "::/127",
  "fe80::/10",
  "ff00::/8",
].flatMap((text) => {
  const cidr = parseCidr(text);
  return cidr.ok ? [cidr.value] : [];
});

/** Whether an address means a machine itself or its links, and so another one in each namespace. */
export function isLocalAddress(ip: IpAddress): boolean {
  return localRanges.some((range) => cidrContains(range, ip));
}

function endpoint({ ip, port }: SocketAddress): Endpoint {
  return { address: ip, port };
}

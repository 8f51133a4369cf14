/** Networks of Pods: a namespace with `eth0`, whose other end is in the node's namespace with a route to it. They are mounted, so that they outlive this program. */
import { createHash } from "node:crypto";
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { type IpAddress, parseIp } from "#core/address/ip.ts";
import { isErrno } from "#host/linux/errno.ts";
import type { Libc } from "#host/linux/libc.ts";
import { addAddress, addVethPair, deleteLink, findLink, setLinkUp } from "#host/linux/links.ts";
import {
  makeNetworkNamespace,
  type NetworkNamespace,
  openNetworkNamespace,
  withNamespace,
} from "#host/linux/namespaces.ts";
import { type Netlink, openNetlink } from "#host/linux/netlink.ts";
import { addRoute, mainTable } from "#host/linux/routes.ts";

/** What the node asks its Pods from: probes are known by it. */
export const probeSource: IpAddress = literal("169.254.7.127");
const anyAddress = literal("0.0.0.0");
const loopback = "lo";
const interfaceName = "eth0";
const bindMount = 4096;
const detach = 2;

/** Makes and removes networks of Pods. */
export interface PodNetworks {
  /** Makes one; whatever is left of an earlier attempt for the same Pod is replaced. @throws LinuxError */
  open(uid: string, address: IpAddress): NetworkNamespace;
  /** The one that an earlier program made; undefined when it is gone. */
  find(uid: string): NetworkNamespace | undefined;
  /** Pods that have one. */
  uids(): string[];
  /** Removes it with its link. Idempotent. */
  remove(uid: string): void;
  close(): void;
}

/** What they are made with. */
export interface PodNetworksOptions {
  readonly libc: Libc;
  /** Where the namespaces are mounted. */
  readonly folder: string;
  /** The node's own address: the next hop of every Pod. */
  readonly gateway: IpAddress;
}

/** Readies the node's namespace: it forwards between Pods and has the address that probes come from. */
export function openPodNetworks(options: PodNetworksOptions): PodNetworks {
  const { libc, folder } = options;
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const node = openNetlink(libc, libc.homeNamespace);
  setting("ipv4/ip_forward", "1");
  const lo = findLink(node, loopback);
  if (lo === undefined)
    throw new Error("Cannot find the node's loopback: the program is not in a network namespace of its own");
  addAddress(node, lo, { address: probeSource, prefixBits: 32 }, "host");
  const pathOf = (uid: string): string => join(folder, uid);
  const remove = (uid: string): void => {
    const index = findLink(node, linkName(uid));
    if (index !== undefined) deleteLink(node, index);
    unmount(libc, pathOf(uid));
  };
  return {
    open(uid, address) {
      remove(uid);
      const network = makeNetworkNamespace(libc);
      try {
        connect({ ...options, node }, network, { uid, address });
        mountNamespace(libc, network, pathOf(uid));
        return network;
      } catch (error) {
        network.close();
        remove(uid);
        throw error;
      }
    },
    uids: () => readdirSync(folder),
    find: (uid) => (isNamespace(pathOf(uid)) ? openNetworkNamespace(pathOf(uid)) : undefined),
    remove,
    close: () => node.close(),
  };
}

function connect(
  { libc, node, gateway }: PodNetworksOptions & { readonly node: Netlink },
  network: NetworkNamespace,
  { uid, address }: { readonly uid: string; readonly address: IpAddress },
): void {
  const name = linkName(uid);
  addVethPair(node, { name, peerName: interfaceName, peerNamespaceFd: network.fd });
  const outer = findLink(node, name);
  using inside = openNetlink(libc, network.fd);
  const inner = findLink(inside, interfaceName);
  const lo = findLink(inside, loopback);
  if (outer === undefined || inner === undefined || lo === undefined)
    throw new Error(`Cannot find the link of Pod ${uid} that was just made`);
  // A link has an IPv6 address of its own accord, past every capture: Pods have IPv4 only.
  setting(`ipv6/conf/${name}/disable_ipv6`, "1");
  withNamespace(libc, network.fd, () => {
    setting(`ipv6/conf/${interfaceName}/disable_ipv6`, "1");
    setting("ipv4/ip_unprivileged_port_start", "0");
    setting("ipv4/ping_group_range", "0 2147483647");
  });
  for (const index of [lo, inner]) setLinkUp(inside, index);
  setLinkUp(node, outer);
  addAddress(inside, inner, { address, prefixBits: 32 }, "universe");
  const there = { kind: "unicast", table: mainTable, linkIndex: inner } as const;
  addRoute(inside, { ...there, destination: { address: gateway, prefixBits: 32 } });
  addRoute(inside, { ...there, destination: { address: anyAddress, prefixBits: 0 }, gateway });
  addRoute(node, {
    kind: "unicast",
    table: mainTable,
    linkIndex: outer,
    destination: { address, prefixBits: 32 },
    source: probeSource,
  });
}

/** Whether a namespace is mounted there; otherwise only its place is left. */
function isNamespace(path: string): boolean {
  return existsSync(path) && statSync(path).dev === statSync("/proc/self/ns/net").dev;
}

/** A name of at most 15 characters that only this Pod's link has. */
function linkName(uid: string): string {
  return `pod${createHash("sha256").update(uid).digest("hex").slice(0, 10)}`;
}

function mountNamespace(libc: Libc, network: NetworkNamespace, path: string): void {
  closeSync(openSync(path, "w", 0o600));
  libc.call(
    `Cannot keep a Pod's network at ${path}`,
    "mount",
    text(`/proc/self/fd/${network.fd}`),
    text(path),
    text("none"),
    bindMount,
    0,
  );
}

function unmount(libc: Libc, path: string): void {
  if (!existsSync(path)) return;
  try {
    libc.call(`Cannot let go of ${path}`, "umount2", text(path), detach);
  } catch (error) {
    if (!isErrno(error, "EINVAL")) throw error; // Nothing was mounted there.
  }
  rmSync(path, { force: true });
}

/** Settings of the namespace that this thread is in. */
function setting(name: string, value: string): void {
  const path = `/proc/sys/net/${name}`;
  if (existsSync(path)) writeFileSync(path, value);
}

function text(value: string): Uint8Array {
  return Buffer.from(`${value}\0`);
}

function literal(address: string): IpAddress {
  const ip = parseIp(address);
  if (!ip.ok) throw new Error(ip.error);
  return ip.value;
}

/** Two nodes for tests and benches: a network namespace each, joined by a link, and in each a sealed namespace for one workload. No mesh runs in them yet. */
import { type Cidr, type IpAddress, parseCidr } from "#core/address/ip.ts";
import type { Libc } from "#host/linux/libc.ts";
import { addAddress, addVethPair, findLink, setLinkUp } from "#host/linux/links.ts";
import { makeNetworkNamespace, type NetworkNamespace, withNamespace } from "#host/linux/namespaces.ts";
import { type Netlink, openNetlink } from "#host/linux/netlink.ts";
import { addRoute, localTable, mainTable } from "#host/linux/routes.ts";

/** One node with its workload's place. */
export interface TestNode {
  /** Where the node's programs run. */
  readonly namespace: NetworkNamespace;
  /** Loopback only; everything is routed to it. */
  readonly slot: NetworkNamespace;
  /** The workload's address. */
  readonly address: IpAddress;
  /** Path of the slot's namespace for other processes. */
  readonly slotPath: string;
  /** The node's own address on the link. */
  readonly linkAddress: IpAddress;
}

/** The two. */
export interface NodePair extends Disposable {
  readonly a: TestNode;
  readonly b: TestNode;
}

const linkAddresses = ["192.0.2.1", "192.0.2.2"] as const;
const slotAddresses = ["10.1.0.2", "10.2.0.2"] as const;

/** Makes them; everything goes when the namespaces are closed and empty. */
export function makeNodePair(libc: Libc): NodePair {
  const [a, b] = [makeNode(libc, 0), makeNode(libc, 1)];
  {
    using netlink = openNetlink(libc, a.namespace.fd);
    addVethPair(netlink, { name: "link", peerName: "link", peerNamespaceFd: b.namespace.fd });
  }
  joinLink(libc, a, b);
  joinLink(libc, b, a);
  return {
    a,
    b,
    [Symbol.dispose]() {
      for (const node of [a, b]) {
        node.slot.close();
        node.namespace.close();
      }
    },
  };
}

/** Starts a command in a namespace. */
export function spawnIn(
  libc: Libc,
  namespace: NetworkNamespace,
  argv: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Bun.Subprocess<"ignore", "pipe", "pipe"> {
  return withNamespace(libc, namespace.fd, () =>
    Bun.spawn([...argv], {
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
      env: { ...process.env, ...env },
    }),
  );
}

/** Takes a namespace's loopback up and routes everything to it, as in a slot. */
export function sealNamespace(libc: Libc, namespace: NetworkNamespace, address: IpAddress): void {
  using netlink = openNetlink(libc, namespace.fd);
  const loopback = takeLoopbackUp(netlink);
  addAddress(netlink, loopback, range(`${address}/32`), "host");
  addRoute(netlink, {
    kind: "local",
    destination: range("0.0.0.0/0"),
    table: localTable,
    linkIndex: loopback,
    source: address,
  });
}

function makeNode(libc: Libc, at: 0 | 1): TestNode {
  // Sound: both tables hold canonical IPv4 texts.
  const [linkAddress, address] = [linkAddresses[at] as IpAddress, slotAddresses[at] as IpAddress];
  const namespace = makeNetworkNamespace(libc);
  const slot = makeNetworkNamespace(libc);
  sealNamespace(libc, slot, address);
  using netlink = openNetlink(libc, namespace.fd);
  const loopback = takeLoopbackUp(netlink);
  const destination = range(`${address}/32`);
  addRoute(netlink, { kind: "local", destination, table: localTable, linkIndex: loopback });
  const slotPath = `/proc/${process.pid}/fd/${slot.fd}`;
  return { namespace, slot, address, slotPath, linkAddress };
}

function joinLink(libc: Libc, node: TestNode, other: TestNode): void {
  using netlink = openNetlink(libc, node.namespace.fd);
  const linkIndex = findLink(netlink, "link");
  if (linkIndex === undefined) throw new Error("Cannot find the link of a test node");
  addAddress(netlink, linkIndex, range(`${node.linkAddress}/24`), "universe");
  setLinkUp(netlink, linkIndex);
  addRoute(netlink, {
    kind: "unicast",
    destination: range(`${other.address}/32`),
    table: mainTable,
    linkIndex,
    gateway: other.linkAddress,
  });
}

function takeLoopbackUp(netlink: Netlink): number {
  const loopback = findLink(netlink, "lo");
  if (loopback === undefined) throw new Error("Cannot find the loopback of a namespace");
  setLinkUp(netlink, loopback);
  return loopback;
}

function range(text: string): Cidr {
  const cidr = parseCidr(text);
  if (!cidr.ok) throw new Error(cidr.error);
  return cidr.value;
}

/**
 * The node: a network namespace with its local ranges, made before anything runs in it, and the mount and uts namespaces in which its
 * first program is born and the later ones join. It lives as long as a program in it; no name, mount or link of it is left on the host.
 */
import { closeSync, openSync } from "node:fs";
import { parseCidr } from "#core/address/ip.ts";
import type { NamespaceKind, Step } from "#host/linux/birth.ts";
import type { Libc } from "#host/linux/libc.ts";
import { findLink, setLinkUp } from "#host/linux/links.ts";
import { makeNetworkNamespace, type NetworkNamespace } from "#host/linux/namespaces.ts";
import { type Netlink, openNetlink } from "#host/linux/netlink.ts";
import { addRoute, localTable } from "#host/linux/routes.ts";

/** How a program comes into the node. */
export interface NodeEntry {
  readonly newNamespaces: readonly NamespaceKind[];
  readonly joinNamespaces: readonly number[];
  readonly before: readonly Step[];
}

/** The node's namespaces. */
export interface NodeNamespaces extends Disposable {
  /** How the next program is born: the first one makes what the rest join. */
  entry(): NodeEntry;
  /** Told of each program that was born by {@link NodeNamespaces.entry}. */
  born(pid: number): void;
  close(): void;
}

const recursivePrivate = 0x4000 | 0x40000; // MS_REC | MS_PRIVATE

/** Makes the node's network; its programs make the other namespaces. */
export function openNodeNamespaces(libc: Libc, hostname: string, ranges: readonly string[]): NodeNamespaces {
  return nodeOf(makeNodeNetwork(libc, ranges), hostname);
}

/** A network as the node's: loopback up, the ranges delivered locally. */
export function makeNodeNetwork(libc: Libc, ranges: readonly string[]): NetworkNamespace {
  const network = makeNetworkNamespace(libc);
  try {
    using netlink = openNetlink(libc, network.fd);
    setUpNetwork(netlink, ranges);
  } catch (error) {
    network.close();
    throw error;
  }
  return network;
}

function nodeOf(network: NetworkNamespace, hostname: string): NodeNamespaces {
  let others: readonly number[] = [];
  const close = (): void => {
    for (const fd of others) closeSync(fd);
    others = [];
    network.close();
  };
  const founding: NodeEntry = {
    newNamespaces: ["mount", "uts"],
    joinNamespaces: [network.fd],
    before: [
      {
        what: "Cannot make the node's mounts private",
        name: "mount",
        args: ["none", "/", "none", recursivePrivate, 0],
      },
      { what: `Cannot name the node ${hostname}`, name: "sethostname", args: [hostname, hostname.length] },
    ],
  };
  return {
    entry() {
      if (others.length === 0) return founding;
      return { newNamespaces: [], joinNamespaces: [network.fd, ...others], before: [] };
    },
    born(pid) {
      if (others.length === 0)
        others = ["mnt", "uts"].map((kind) => openSync(`/proc/${pid}/ns/${kind}`, "r"));
    },
    close,
    [Symbol.dispose]: close,
  };
}

function setUpNetwork(netlink: Netlink, ranges: readonly string[]): void {
  const loopback = findLink(netlink, "lo");
  if (loopback === undefined) throw new Error("Cannot find the loopback of a new network namespace");
  setLinkUp(netlink, loopback);
  for (const range of ranges) {
    const destination = parseCidr(range);
    if (!destination.ok) throw new Error(destination.error);
    addRoute(netlink, {
      kind: "local",
      destination: destination.value,
      table: localTable,
      linkIndex: loopback,
    });
  }
}

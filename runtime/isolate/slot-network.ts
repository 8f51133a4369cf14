/** A slot's network: a namespace with a loopback that has the slot's address, everything routed to itself, and the capture in front. Nobody lives in it yet. */
import { type IpAddress, parseIp } from "#core/address/ip.ts";
import { type Capture, openCapture } from "#host/linux/bpf.ts";
import type { Libc } from "#host/linux/libc.ts";
import { addAddress, setLinkUp } from "#host/linux/links.ts";
import { makeNetworkNamespace, type NetworkNamespace } from "#host/linux/namespaces.ts";
import { openNetlink } from "#host/linux/netlink.ts";
import { addRoute, localTable } from "#host/linux/routes.ts";
import { sealedSlotProgram } from "#host/linux/sk-lookup.ts";

/** Which slot it is. */
export interface SlotPlace {
  /** Its name in the node protocol: used once. */
  readonly uid: string;
  /** Its address's place in the slot range. */
  readonly index: number;
  readonly address: IpAddress;
  readonly nameserver: IpAddress;
}

/** An open slot network. What ztunnel needs of it: `uid`, `address`, and the two descriptors, which it gets copies of. */
export interface SlotNetwork extends SlotPlace {
  readonly namespace: NetworkNamespace;
  /** The socket map whose slot 0 takes the listener for everything that leaves. Empty, it drops. */
  readonly mapFd: number;
  /** Ends the capture and lets the namespace go; copies of its descriptor keep it. */
  close(): void;
}

const loopbackIndex = 1;
const listeners = 1;

/** Makes a slot's network: 1.5 ms. */
export function openSlotNetwork(libc: Libc, place: SlotPlace): SlotNetwork {
  const namespace = makeNetworkNamespace(libc);
  try {
    configure(libc, namespace, place);
    const capture = openCapture(libc, namespace.fd, listeners, (mapFd) => sealedSlotProgram(mapFd, place));
    return slotNetwork(place, namespace, capture);
  } catch (error) {
    namespace.close();
    throw error;
  }
}

function configure(libc: Libc, namespace: NetworkNamespace, place: SlotPlace): void {
  using netlink = openNetlink(libc, namespace.fd);
  setLinkUp(netlink, loopbackIndex);
  for (const address of [place.address, place.nameserver]) {
    addAddress(netlink, loopbackIndex, { address, prefixBits: 32 }, "host");
  }
  // Every IPv4 destination is delivered here, where the capture decides; IPv6 has no route but `::1`.
  addRoute(netlink, {
    kind: "local",
    destination: { address: anyAddress(), prefixBits: 0 },
    table: localTable,
    linkIndex: loopbackIndex,
    source: place.address,
  });
}

function slotNetwork(place: SlotPlace, namespace: NetworkNamespace, capture: Capture): SlotNetwork {
  return {
    ...place,
    namespace,
    mapFd: capture.mapFd,
    close() {
      capture.close();
      namespace.close();
    },
  };
}

function anyAddress(): IpAddress {
  const any = parseIp("0.0.0.0");
  if (!any.ok) throw new Error(any.error);
  return any.value;
}

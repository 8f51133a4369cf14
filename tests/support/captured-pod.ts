/** Pods made by hand for ztunnel's tests: a network namespace behind a veth, captured by the node's program under rules of its kind; no process. */
import { type Cidr, type IpAddress, ipBytes, parseCidr } from "#core/address/ip.ts";
import { openCapture } from "#host/linux/bpf.ts";
import { isErrno } from "#host/linux/errno.ts";
import type { Libc } from "#host/linux/libc.ts";
import { addAddress, addVethPair, findLink, setLinkUp } from "#host/linux/links.ts";
import { makeNetworkNamespace, type NetworkNamespace } from "#host/linux/namespaces.ts";
import { type Netlink, openNetlink } from "#host/linux/netlink.ts";
import { podProgram } from "#host/linux/pod-lookup.ts";
import { podMarkMask, podMarks } from "#host/linux/pod-marks.ts";
import { addRoute, addRule, deleteRule, localTable, mainTable, type Rule } from "#host/linux/routes.ts";
import { writeSettings } from "#host/linux/sysctls.ts";
import type { NodeRequest } from "./scripted-node.ts";

/** A Pod without a process. */
export interface BarePod extends Disposable {
  readonly uid: string;
  readonly name: string;
  readonly address: IpAddress;
  readonly namespace: NetworkNamespace;
}

/** Where the node's probes come from. */
const probeSource = "169.254.7.127";
const gateway = "169.254.7.1" as IpAddress;

/** Prepares a node's namespace for Pods: it forwards between them, and has the address of probes. */
export function preparePodNode(libc: Libc, node: NetworkNamespace): void {
  writeSettings(libc, node.fd, new Map([["ipv4/ip_forward", "1"]]));
  using netlink = openNetlink(libc, node.fd);
  for (const address of [probeSource, gateway])
    addAddress(netlink, loopbackOf(netlink), range(`${address}/32`), "host");
}

/** Makes a Pod; nothing is captured yet. */
export function makeBarePod(libc: Libc, node: NetworkNamespace, name: string, address: string): BarePod {
  const namespace = makeNetworkNamespace(libc);
  const link = `v${address.split(".").slice(2).join("-")}`;
  using here = openNetlink(libc, node.fd);
  addVethPair(here, { name: link, peerName: "eth0", peerNamespaceFd: namespace.fd });
  const linkIndex = findLink(here, link) ?? 0;
  setLinkUp(here, linkIndex);
  wirePod(libc, namespace, address);
  const source = probeSource as IpAddress;
  const destination = range(`${address}/32`);
  addRoute(here, { kind: "unicast", destination, table: mainTable, linkIndex, source });
  return {
    uid: `uid-${name}`,
    name,
    // Sound: tests write canonical addresses.
    address: address as IpAddress,
    namespace,
    [Symbol.dispose]: () => namespace.close(), // its end of the link takes the other with it
  };
}

function wirePod(libc: Libc, namespace: NetworkNamespace, address: string): void {
  using netlink = openNetlink(libc, namespace.fd);
  setLinkUp(netlink, loopbackOf(netlink));
  const linkIndex = findLink(netlink, "eth0") ?? 0;
  addAddress(netlink, linkIndex, range(`${address}/32`), "universe");
  setLinkUp(netlink, linkIndex);
  const onLink = { kind: "unicast" as const, table: mainTable, linkIndex };
  addRoute(netlink, { ...onLink, destination: range(`${gateway}/32`) });
  addRoute(netlink, { ...onLink, destination: range("0.0.0.0/0"), gateway, source: address as IpAddress });
  const settings = [
    ["ipv4/conf/all/accept_local", "1"],
    ["ipv4/conf/eth0/accept_local", "1"],
    ["ipv4/conf/all/rp_filter", "0"],
    ["ipv4/tcp_fwmark_accept", "1"],
  ] as const;
  writeSettings(libc, namespace.fd, new Map(settings));
}

/** How a Pod is captured, where it is not as usual. */
export interface BareCaptureOptions {
  readonly nameserver: IpAddress;
  readonly policies?: readonly string[];
  readonly capturesInbound?: boolean;
  readonly capturesDns?: boolean;
}

/** A capture: its map, what the node says of it, and the rules by which packets meet it. */
export interface BareCapture extends Disposable {
  readonly request: NodeRequest;
  /** Of the Pod's namespace and of the map. */
  readonly fds: readonly [number, number];
  /** Lets unmarked packets meet the capture. */
  addRules(): void;
  /** Takes that back; what ztunnel has open goes on. */
  dropRules(): void;
}

/** Captures a Pod for a service account; nothing meets the capture before its rules. */
export function captureBarePod(
  libc: Libc,
  pod: BarePod,
  serviceAccount: string,
  options: BareCaptureOptions,
): BareCapture {
  const { policies = [], capturesInbound = true, capturesDns = true, nameserver } = options;
  const { address, namespace } = pod;
  const capture = openCapture(libc, namespace.fd, 3, (mapFd) =>
    podProgram(mapFd, { address, nameserver, capturesInbound, capturesDns }),
  );
  const lambientPod = {
    address: ipBytes(address),
    nameserver: ipBytes(nameserver),
    authorizationPolicies: [...policies],
    capturesInbound,
    capturesDns,
  };
  const workloadInfo = { name: pod.name, namespace: "shop", serviceAccount };
  const rules = captureRules(address, capturesDns);
  return {
    request: { case: "add", value: { uid: pod.uid, workloadInfo, lambientPod } },
    fds: [namespace.fd, capture.mapFd],
    addRules() {
      using netlink = openNetlink(libc, namespace.fd);
      addTables(netlink, address);
      for (const rule of rules) {
        withoutRule(netlink, rule);
        addRule(netlink, rule);
      }
      withoutRule(netlink, { family: 4, priority: 0, table: localTable });
    },
    dropRules() {
      using netlink = openNetlink(libc, namespace.fd);
      for (const rule of rules) if (rule.protocol !== undefined) withoutRule(netlink, rule);
    },
    [Symbol.dispose]: () => capture.close(),
  };
}

const ownTable = 101;
const captureTable = 100;

function addTables(netlink: Netlink, address: IpAddress): void {
  const linkIndex = loopbackOf(netlink);
  const local = { kind: "local" as const, linkIndex, source: address };
  addRoute(netlink, { ...local, destination: range(`${address}/32`), table: ownTable });
  addRoute(netlink, { ...local, destination: range("0.0.0.0/0"), table: captureTable });
}

/** To the Pod itself as local packets; marked ones out; the rest of TCP and names into the capture. */
function captureRules(address: IpAddress, capturesDns: boolean): readonly Rule[] {
  const captured = { family: 4, table: captureTable } as const;
  const rules: Rule[] = [
    { family: 4, priority: 1, inputLink: "lo", destination: range(`${address}/32`), table: ownTable },
    { family: 4, priority: 2, table: localTable },
    { ...captured, priority: 97, mark: marked(podMarks.looped) },
    { family: 4, priority: 98, table: mainTable, mark: marked(podMarks.proxy) },
    { ...captured, priority: 100, protocol: "tcp" },
  ];
  if (capturesDns) rules.push({ ...captured, priority: 101, protocol: "udp", destinationPort: 53 });
  return rules;
}

function marked(value: number): NonNullable<Rule["mark"]> {
  return { value, mask: podMarkMask };
}

/** Removes a rule that may not be there, as after an earlier capture of the same Pod. */
function withoutRule(netlink: Netlink, rule: Rule): void {
  try {
    deleteRule(netlink, rule);
  } catch (error) {
    if (!isErrno(error, "ENOENT")) throw error;
  }
}

function loopbackOf(netlink: Netlink): number {
  const index = findLink(netlink, "lo");
  if (index === undefined) throw new Error("Cannot find the loopback of a namespace");
  return index;
}

function range(text: string): Cidr {
  const parsed = parseCidr(text);
  if (!parsed.ok) throw new Error(parsed.error);
  return parsed.value;
}

/**
 * Connections that go on the way they began while the routing around them changes: by a mark on their sockets, or by a rule of their own
 * where no process holds the socket (not accepted yet, or closed with data still on its way).
 */
import { type CgroupMounts } from "#host/linux/cgroup.ts";
import { listProcesses } from "#host/linux/freezer.ts";
import type { Libc } from "#host/linux/libc.ts";
import { openNetlink } from "#host/linux/netlink.ts";
import { podMarkMask, podMarks } from "#host/linux/pod-marks.ts";
import { markSockets } from "#host/linux/process-sockets.ts";
import { listRules } from "#host/linux/route-lists.ts";
import { changeRules } from "#host/linux/routes.ts";
import { listConnections, type ListedSocket } from "#host/linux/socket-list.ts";
import type { PodSandbox } from "./pod-sandbox.ts";
import { flowRule, isFlowRule, ruleKey } from "./pod-routing.ts";

/** How connections without a mark go on: past ztunnel, as before the capture, or through it, as during it. */
export type HeldWay = "kept" | "looped";

/** What holding needs. */
export interface HoldOptions {
  readonly libc: Libc;
  readonly cgroupMounts: CgroupMounts;
  /** Rules of single connections that a Pod may have. */
  readonly flowRulesMax: number;
}

/**
 * Marks the connections that bear no mark yet, as far as processes hold them. Done ahead, it leaves little for the moment in which the
 * Pod stands still; the marks alone change nobody's way.
 */
export function markConnections(options: HoldOptions, pod: PodSandbox, way: HeldWay): void {
  const unmarked = listUnmarked(options.libc, pod).filter(({ inode }) => inode !== 0);
  mark(options, pod, way, unmarked);
}

/**
 * Marks what has come since, and gives the rest rules of their own. The Pod's processes must stand still.
 * @throws Error when more would need a rule than is allowed
 */
export function holdConnections(options: HoldOptions, pod: PodSandbox, way: HeldWay): void {
  const unmarked = listUnmarked(options.libc, pod);
  const marked = mark(options, pod, way, unmarked);
  const rest = unmarked.filter(({ inode }) => !marked.has(inode));
  if (rest.length > options.flowRulesMax) {
    throw new Error(
      `Cannot hold connections by at most ${options.flowRulesMax} rules: ${rest.length} of them are not in any process's hands`,
    );
  }
  if (rest.length === 0) return;
  using netlink = openNetlink(options.libc, pod.network.fd);
  const present = new Set(listRules(netlink, 4).map(ruleKey));
  const wanted = rest.map((socket) => flowRule(way, socket));
  changeRules(netlink, { added: wanted.filter((rule) => !present.has(ruleKey(rule))), removed: [] });
}

/** How many connections of a Pod go on in either way. */
export type HeldCounts = Readonly<Record<HeldWay, number>>;

/** Removes the rules of connections that have ended. @returns what is left */
export function tidyConnections(libc: Libc, pod: PodSandbox): HeldCounts {
  using sockets = openNetlink(libc, pod.network.fd, "sockets");
  using netlink = openNetlink(libc, pod.network.fd);
  const flowRules = listRules(netlink, 4).filter(isFlowRule);
  const ruleKeys = new Set(flowRules.map(ruleKey));
  const alive = new Set<string>();
  const counts = { kept: 0, looped: 0 };
  for (const socket of listConnections(sockets, () => true)) {
    const way = wayOf(socket, ruleKeys);
    if (way === undefined || !isOutside(socket, pod)) continue;
    counts[way]++;
    alive.add(ruleKey(flowRule(way, socket)));
  }
  changeRules(netlink, { added: [], removed: flowRules.filter((rule) => !alive.has(ruleKey(rule))) });
  return counts;
}

/** The way that a connection is held in, by a rule of its own or by its mark. */
function wayOf(socket: ListedSocket, ruleKeys: ReadonlySet<string>): HeldWay | undefined {
  const ways = ["kept", "looped"] as const;
  return ways.find(
    (way) =>
      (socket.mark & podMarkMask) === podMarks[way] ||
      (ruleKeys.size > 0 && ruleKeys.has(ruleKey(flowRule(way, socket)))),
  );
}

function mark(
  { libc, cgroupMounts }: HoldOptions,
  pod: PodSandbox,
  way: HeldWay,
  sockets: readonly ListedSocket[],
): ReadonlySet<number> {
  const inodes = sockets.filter(({ inode }) => inode !== 0).map(({ inode }) => inode);
  if (inodes.length === 0) return new Set();
  const marks = new Map(inodes.map((inode) => [inode, podMarks[way]]));
  return markSockets(libc, listProcesses(cgroupMounts, pod.cgroup.path), marks);
}

/** Connections with the outside whose way the rules decide. */
function listUnmarked(libc: Libc, pod: PodSandbox): ListedSocket[] {
  using sockets = openNetlink(libc, pod.network.fd, "sockets");
  const unmarked = listConnections(sockets, (value) => (value & podMarkMask) === 0);
  return unmarked.filter((socket) => isOutside(socket, pod));
}

/** Whether a connection's other end is anywhere but in the Pod; IPv6 is not held, since it is closed. */
function isOutside({ local, peer }: ListedSocket, { address }: PodSandbox): boolean {
  const isLocal = (ip: string): boolean => ip === address || ip.startsWith("127.");
  return !local.address.includes(":") && !(isLocal(local.address) && isLocal(peer.address));
}

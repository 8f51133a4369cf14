/**
 * The routing rules, routes and settings of a Pod's network namespace at each stage of its capture. Pure: what is there is compared and mended elsewhere.
 *
 *   plain ──▶ ready ──▶ capturing ──▶ ready (until the captured connections have ended) ──▶ plain
 *
 * `ready` changes no connection's way but for those that bear a mark. `capturing` names what may leave; TCP without a mark has no way
 * out, so that a rule which is lost closes the Pod and opens nothing.
 */
import { type Cidr, type IpAddress, parseCidr } from "#core/address/ip.ts";
import { podMarkMask, podMarks } from "#host/linux/pod-marks.ts";
import type { CapturedPod } from "#host/linux/pod-lookup.ts";
import { localTable, mainTable, type Route, type Rule } from "#host/linux/routes.ts";
import type { ListedSocket } from "#host/linux/socket-list.ts";

/** How far a Pod's namespace is. */
export type CaptureStage = "plain" | "ready" | "capturing";

/** What a namespace should have. */
export interface PodRouting {
  /** Of both families; a rule of the namespace that is not here should not be. */
  readonly rules: readonly Rule[];
  /** In tables of our own. */
  readonly routes: readonly Route[];
  /** By path below `/proc/sys/net`. */
  readonly settings: ReadonlyMap<string, string>;
}

/** A Pod with what of its past its routing must serve. */
export interface RoutedPod extends CapturedPod {
  /** Whether connections from before its capture may be open. */
  readonly keepsConnections: boolean;
  /** Whether ztunnel has listeners for it. Without them what is captured has nobody to go to, and is refused by its route at once. */
  readonly isServed: boolean;
  /** Whether its link spoke IPv6 before, and is to again. */
  readonly hadIpv6: boolean;
}

/** Everything is delivered here, where the capture program decides. */
export const captureTable = 100;
/** The Pod's own address by way of loopback, so that the program can tell the Pod's own connections from arrivals. */
export const ownTable = 101;

const defaultTable = 253;
const loopback = 1;
/** Order of the rules. The kernel's own stand at 0 (local), 32766 (main) and 32767 (default). */
const order = {
  kernelLocal: 0,
  own: 1,
  local: 2,
  loopedFlow: 96,
  keptFlow: 97,
  direct: 98,
  looped: 99,
  captured: 100,
  names: 101,
  rest: 102,
  kernelMain: 32_766,
  kernelDefault: 32_767,
} as const;

/** Whether links speak IPv6. */
export const ipv6Setting = "ipv6/conf/eth0/disable_ipv6" as const;

/** Every setting that a stage may want, by path below `/proc/sys/net`. */
export const captureSettings = [
  "ipv4/conf/eth0/accept_local",
  "ipv4/ip_nonlocal_bind",
  "ipv4/tcp_fwmark_accept",
  "ipv4/conf/all/rp_filter",
  "ipv4/conf/eth0/rp_filter",
  "ipv6/conf/eth0/disable_ipv6",
] as const;

/** What of a namespace's own settings the routing depends on. */
export interface NamespaceFacts {
  /** Whether the kernel speaks it. */
  readonly hasIpv6: boolean;
  /** What new links get: how strictly the way back of an arrival is looked at. */
  readonly reversePathFilter: string;
}

/** The routing of a stage. */
export function routingFor(stage: CaptureStage, pod: RoutedPod, facts: NamespaceFacts): PodRouting {
  const { hasIpv6 } = facts;
  const rules4 = { plain: plainRules, ready: readyRules, capturing: capturingRules }[stage](pod);
  return {
    rules: hasIpv6 ? [...rules4, ...rulesIpv6(stage)] : rules4,
    routes: stage === "plain" ? [] : capturedRoutes(pod.address, stage === "ready" || pod.isServed),
    settings: new Map([...settings4(stage, facts), ...(hasIpv6 ? settings6(stage, pod) : [])]),
  };
}

/** A rule by which one connection of the Pod goes on as it began, though nobody can mark its socket. */
export function flowRule(way: "kept" | "looped", { local, peer }: ListedSocket): Rule {
  return {
    family: local.address.includes(":") ? 6 : 4,
    priority: way === "kept" ? order.keptFlow : order.loopedFlow,
    table: way === "kept" ? mainTable : captureTable,
    protocol: "tcp",
    source: whole(local.address),
    sourcePort: local.port,
    destination: whole(peer.address),
    destinationPort: peer.port,
  };
}

/** Whether a rule was made by {@link flowRule}. */
export function isFlowRule({ priority }: Rule): boolean {
  return priority === order.keptFlow || priority === order.loopedFlow;
}

/** Whether a rule takes all that leaves. */
export function capturesAll({ priority, table }: Rule): boolean {
  return priority === order.captured && table === captureTable;
}

/** Names a rule: equal for rules that do the same in the same place. */
export function ruleKey(rule: Rule): string {
  const { family, priority, table, isInverted, mark, protocol, inputLink } = rule;
  const ports = [rule.sourcePort, rule.destinationPort];
  const ends = [rule.source, rule.destination].map(rangeKey);
  return JSON.stringify([
    family,
    priority,
    table,
    isInverted,
    mark?.value,
    mark?.mask,
    protocol,
    inputLink,
    ports,
    ends,
  ]);
}

/** Names a route in the same way. */
export function routeKey({ kind, destination, table, linkIndex, gateway, source }: Route): string {
  return JSON.stringify([kind, rangeKey(destination), table, linkIndex, gateway, source]);
}

function plainRules(): Rule[] {
  return [
    { family: 4, priority: order.kernelLocal, table: localTable },
    { family: 4, priority: order.kernelMain, table: mainTable },
    { family: 4, priority: order.kernelDefault, table: defaultTable },
  ];
}

function readyRules({ address }: RoutedPod): Rule[] {
  return [
    ...ownRules(address),
    marked(order.direct, podMarks.kept, mainTable),
    { family: 4, priority: order.kernelMain, table: mainTable },
    { family: 4, priority: order.kernelDefault, table: defaultTable },
  ];
}

function capturingRules({ address, nameserver, capturesDns, keepsConnections }: RoutedPod): Rule[] {
  const names: Rule = {
    family: 4,
    priority: order.names,
    table: captureTable,
    protocol: "udp",
    destination: whole(nameserver),
    destinationPort: 53,
  };
  return [
    ...ownRules(address),
    ...(keepsConnections ? [marked(order.direct, podMarks.kept, mainTable)] : []),
    { family: 4, priority: order.captured, table: captureTable, protocol: "tcp" },
    ...(capturesDns ? [names] : []),
    { family: 4, priority: order.rest, table: mainTable, protocol: "tcp", isInverted: true },
    { family: 4, priority: order.kernelDefault, table: defaultTable },
  ];
}

function ownRules(address: IpAddress): Rule[] {
  return [
    { family: 4, priority: order.own, table: ownTable, inputLink: "lo", destination: whole(address) },
    { family: 4, priority: order.local, table: localTable },
    marked(order.direct, podMarks.proxy, mainTable),
    marked(order.looped, podMarks.looped, captureTable),
  ];
}

function marked(priority: number, value: number, table: number): Rule {
  return { family: 4, priority, table, mark: { value, mask: podMarkMask } };
}

function capturedRoutes(address: IpAddress, isServed: boolean): Route[] {
  const here = { kind: "local", linkIndex: loopback, source: address } as const;
  return [
    isServed
      ? { ...here, destination: anywhere, table: captureTable }
      : { kind: "unreachable", destination: anywhere, table: captureTable },
    { ...here, destination: whole(address), table: ownTable },
  ];
}

/** IPv6 has no way out but loopback while a Pod is captured. */
function rulesIpv6(stage: CaptureStage): Rule[] {
  const kernel: Rule[] = [
    { family: 6, priority: order.kernelLocal, table: localTable },
    { family: 6, priority: order.kernelMain, table: mainTable },
  ];
  if (stage !== "capturing") return kernel;
  return [...kernel, { family: 6, priority: order.captured, table: "unreachable" }];
}

type Setting = (typeof captureSettings)[number];

function settings4(stage: CaptureStage, { reversePathFilter }: NamespaceFacts): [Setting, string][] {
  const on = stage === "plain" ? "0" : "1";
  const filter = stage === "plain" ? reversePathFilter : "0";
  return [
    // Answers of ztunnel to the Pod come from addresses that are not the Pod's, and the way back of an arrival leads to loopback.
    ["ipv4/conf/eth0/accept_local", on],
    // ztunnel binds the nameserver's address.
    ["ipv4/ip_nonlocal_bind", on],
    // What ztunnel opens to the Pod hands its mark to the Pod's end.
    ["ipv4/tcp_fwmark_accept", on],
    // The way back of an arrival never leads through its own link.
    ["ipv4/conf/all/rp_filter", filter],
    ["ipv4/conf/eth0/rp_filter", filter],
  ];
}

function settings6(stage: CaptureStage, { hadIpv6 }: RoutedPod): [Setting, string][] {
  if (stage !== "capturing" && !hadIpv6) return [];
  return [[ipv6Setting, stage === "capturing" ? "1" : "0"]];
}

const anywhere: Cidr = mustRange("0.0.0.0/0");

function whole(address: IpAddress): Cidr {
  return { address, prefixBits: address.includes(":") ? 128 : 32 };
}

function rangeKey(range: Cidr | undefined): string | undefined {
  return range && `${range.address}/${range.prefixBits}`;
}

function mustRange(text: string): Cidr {
  const range = parseCidr(text);
  if (!range.ok) throw new Error(range.error);
  return range.value;
}

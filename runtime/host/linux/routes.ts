/** Routes and the rules that choose a table, by route netlink, for IPv4 and IPv6. What there is is listed in route-lists.ts; links and addresses are in links.ts. */
import { type Cidr, type IpAddress, ipBytes } from "#core/address/ip.ts";
import { createExclusive, createOrReplace, type Netlink, type NetlinkRequest } from "./netlink.ts";
import { type Attribute, u32 } from "./netlink-message.ts";

/** The kernel's table of local addresses. */
export const localTable = 255;
/** The kernel's ordinary table. */
export const mainTable = 254;

/** A route: `local` delivers here, `unicast` sends on, `unreachable` refuses. */
export interface Route {
  readonly kind: "local" | "unicast" | "unreachable";
  readonly destination: Cidr;
  readonly table: number;
  /** The link to deliver by; needed by `local` and `unicast`. */
  readonly linkIndex?: number;
  /** The next hop. */
  readonly gateway?: IpAddress;
  /** The source address that unbound sockets take. */
  readonly source?: IpAddress;
}

/** A rule: packets that match look in `table`, or are refused. */
export interface Rule {
  readonly family: 4 | 6;
  /** Order among rules; lower first. */
  readonly priority: number;
  readonly table: number | "unreachable";
  /** Matches what the rest does not. */
  readonly isInverted?: true;
  readonly mark?: { readonly value: number; readonly mask: number };
  readonly protocol?: "tcp" | "udp";
  readonly sourcePort?: number;
  readonly destinationPort?: number;
  readonly source?: Cidr;
  readonly destination?: Cidr;
  readonly inputLink?: string;
}

const newRoute = 24;
const deleteRouteType = 25;
const newRule = 32;
const deleteRuleType = 33;
const routeKinds = { unicast: 1, local: 2, unreachable: 7 } as const;
const protocols = { tcp: 6, udp: 17 } as const;
const protocolBoot = 3;
const ruleActions = { toTable: 1, unreachable: 7 } as const;
const invertFlag = 2;

/** Adds a route or replaces the one with the same destination and table. */
export function addRoute(netlink: Netlink, route: Route): void {
  changeRoute(netlink, route, newRoute, createOrReplace);
}

/** Removes a route. */
export function deleteRoute(netlink: Netlink, route: Route): void {
  changeRoute(netlink, route, deleteRouteType, 0);
}

/** Adds a rule. */
export function addRule(netlink: Netlink, rule: Rule): void {
  netlink.change(ruleRequest(rule, newRule, createExclusive));
}

/** Removes a rule. */
export function deleteRule(netlink: Netlink, rule: Rule): void {
  netlink.change(ruleRequest(rule, deleteRuleType, 0));
}

/** Adds rules, then removes others, by one call. */
export function changeRules(
  netlink: Netlink,
  rules: { readonly added: readonly Rule[]; readonly removed: readonly Rule[] },
): void {
  netlink.changeAll([
    ...rules.added.map((rule) => ruleRequest(rule, newRule, createExclusive)),
    ...rules.removed.map((rule) => ruleRequest(rule, deleteRuleType, 0)),
  ]);
}

function changeRoute(netlink: Netlink, route: Route, type: number, flags: number): void {
  const bytes = ipBytes(route.destination.address);
  const isV6 = bytes.length === 16;
  const scope = route.kind === "local" ? 254 : route.gateway === undefined ? 253 : 0;
  const fixed = Buffer.alloc(12);
  fixed[0] = isV6 ? 10 : 2;
  fixed[1] = route.destination.prefixBits;
  fixed[4] = route.table < 256 ? route.table : 0;
  fixed[5] = protocolBoot;
  fixed[6] = isV6 || route.kind === "unreachable" ? 0 : scope;
  fixed[7] = routeKinds[route.kind];
  const attributes: Attribute[] = [u32(15, route.table)];
  if (route.destination.prefixBits > 0) attributes.push({ type: 1, value: bytes });
  if (route.linkIndex !== undefined) attributes.push(u32(4, route.linkIndex));
  if (route.gateway !== undefined) attributes.push({ type: 5, value: ipBytes(route.gateway) });
  if (route.source !== undefined) attributes.push({ type: 7, value: ipBytes(route.source) });
  const { address, prefixBits } = route.destination;
  netlink.change({
    what: `Cannot set the ${route.kind} route to ${address}/${prefixBits} in table ${route.table}`,
    type,
    flags,
    fixed,
    attributes,
  });
}

function ruleRequest(rule: Rule, type: number, flags: number): NetlinkRequest {
  const fixed = Buffer.alloc(12);
  const table = rule.table === "unreachable" ? 0 : rule.table;
  fixed[0] = rule.family === 6 ? 10 : 2;
  fixed[1] = rule.destination?.prefixBits ?? 0;
  fixed[2] = rule.source?.prefixBits ?? 0;
  fixed[4] = table < 256 ? table : 0;
  fixed[7] = rule.table === "unreachable" ? ruleActions.unreachable : ruleActions.toTable;
  fixed.writeUInt32LE(rule.isInverted === true ? invertFlag : 0, 8);
  return {
    what: `Cannot set the rule ${rule.priority} for table ${rule.table}`,
    type,
    flags,
    fixed,
    attributes: [u32(6, rule.priority), u32(15, table), ...matchers(rule)],
  };
}

function matchers(rule: Rule): Attribute[] {
  const attributes: Attribute[] = [];
  if (rule.destination !== undefined) attributes.push({ type: 1, value: ipBytes(rule.destination.address) });
  if (rule.source !== undefined) attributes.push({ type: 2, value: ipBytes(rule.source.address) });
  if (rule.inputLink !== undefined) attributes.push({ type: 3, value: Buffer.from(`${rule.inputLink}\0`) });
  if (rule.mark !== undefined) attributes.push(u32(10, rule.mark.value), u32(16, rule.mark.mask));
  if (rule.protocol !== undefined)
    attributes.push({ type: 22, value: Uint8Array.of(protocols[rule.protocol]) });
  if (rule.sourcePort !== undefined) attributes.push(portRange(23, rule.sourcePort));
  if (rule.destinationPort !== undefined) attributes.push(portRange(24, rule.destinationPort));
  return attributes;
}

function portRange(type: number, port: number): Attribute {
  const value = Buffer.alloc(4);
  value.writeUInt16LE(port, 0);
  value.writeUInt16LE(port, 2);
  return { type, value };
}

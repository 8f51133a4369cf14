/** Routes and the rules that choose a table, by route netlink, for IPv4 and IPv6. Links and addresses are in links.ts. */
import { type Cidr, type IpAddress, ipBytes } from "#core/address/ip.ts";
import { createExclusive, createOrReplace, type Netlink } from "./netlink.ts";
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

/** A rule: packets that match look in `table`. */
export interface Rule {
  readonly family: 4 | 6;
  /** Order among rules; lower first. */
  readonly priority: number;
  readonly table: number;
  readonly mark?: { readonly value: number; readonly mask: number };
  readonly protocol?: "tcp" | "udp";
  readonly destinationPort?: number;
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
  changeRule(netlink, rule, newRule, createExclusive);
}

/** Removes a rule. */
export function deleteRule(netlink: Netlink, rule: Rule): void {
  changeRule(netlink, rule, deleteRuleType, 0);
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

function changeRule(netlink: Netlink, rule: Rule, type: number, flags: number): void {
  const fixed = Buffer.alloc(12);
  fixed[0] = rule.family === 6 ? 10 : 2;
  fixed[1] = rule.destination?.prefixBits ?? 0;
  fixed[4] = rule.table < 256 ? rule.table : 0;
  fixed[7] = 1; // FR_ACT_TO_TBL
  netlink.change({
    what: `Cannot set the rule ${rule.priority} for table ${rule.table}`,
    type,
    flags,
    fixed,
    attributes: [u32(6, rule.priority), u32(15, rule.table), ...matchers(rule)],
  });
}

function matchers(rule: Rule): Attribute[] {
  const attributes: Attribute[] = [];
  if (rule.destination !== undefined) attributes.push({ type: 1, value: ipBytes(rule.destination.address) });
  if (rule.inputLink !== undefined) attributes.push({ type: 3, value: Buffer.from(`${rule.inputLink}\0`) });
  if (rule.mark !== undefined) attributes.push(u32(10, rule.mark.value), u32(16, rule.mark.mask));
  if (rule.protocol !== undefined)
    attributes.push({ type: 22, value: Uint8Array.of(protocols[rule.protocol]) });
  if (rule.destinationPort !== undefined) {
    const range = Buffer.alloc(4);
    range.writeUInt16LE(rule.destinationPort, 0);
    range.writeUInt16LE(rule.destinationPort, 2);
    attributes.push({ type: 24, value: range });
  }
  return attributes;
}

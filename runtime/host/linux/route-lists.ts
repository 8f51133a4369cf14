/** The routes and rules that a namespace has, as route netlink tells them; what cannot be said with {@link Rule} or {@link Route} is left out. */
import { type Cidr, formatIp, type IpAddress } from "#core/address/ip.ts";
import type { Netlink } from "./netlink.ts";
import { decodeAttributes, readText, readU32 } from "./netlink-message.ts";
import type { Route, Rule } from "./routes.ts";

const getRoute = 26;
const getRule = 34;
const invertFlag = 2;
const families = { 4: 2, 6: 10 } as const;
const routeKinds: Readonly<Record<number, Route["kind"]>> = { 1: "unicast", 2: "local", 7: "unreachable" };
const protocols: Readonly<Record<number, "tcp" | "udp">> = { 6: "tcp", 17: "udp" };

/** Lists the rules of a family, first ones first. */
export function listRules(netlink: Netlink, family: 4 | 6): Rule[] {
  const fixed = Buffer.alloc(12);
  fixed[0] = families[family];
  const messages = netlink.list({
    what: "Cannot list rules",
    type: getRule,
    flags: 0,
    fixed,
    attributes: [],
  });
  return messages.flatMap(({ body }) => decodeRule(family, body) ?? []);
}

/** Lists the routes of a family in some tables. */
export function listRoutes(netlink: Netlink, family: 4 | 6, ...tables: readonly number[]): Route[] {
  const fixed = Buffer.alloc(12);
  fixed[0] = families[family];
  const messages = netlink.list({
    what: "Cannot list routes",
    type: getRoute,
    flags: 0,
    fixed,
    attributes: [],
  });
  return messages.flatMap(({ body }) => {
    const route = decodeRoute(family, body);
    return route !== undefined && tables.includes(route.table) ? [route] : [];
  });
}

function decodeRule(family: 4 | 6, body: Uint8Array): Rule | undefined {
  const attributes = decodeAttributes(body.subarray(12));
  const action = body[7];
  if (action !== 1 && action !== 7) return undefined;
  const flags = readU32(body.subarray(8, 12)) ?? 0;
  const mark = readU32(attributes.get(10));
  return {
    family,
    priority: readU32(attributes.get(6)) ?? 0,
    table: action === 7 ? "unreachable" : readTable(attributes, body),
    ...present("isInverted", (flags & invertFlag) === 0 ? undefined : (true as const)),
    ...present("mark", mark && { value: mark, mask: readU32(attributes.get(16)) ?? 0xffffffff }),
    ...present("protocol", protocols[attributes.get(22)?.[0] ?? 0]),
    ...present("sourcePort", readPort(attributes.get(23))),
    ...present("destinationPort", readPort(attributes.get(24))),
    ...present("source", readRange(attributes.get(2), body[2])),
    ...present("destination", readRange(attributes.get(1), body[1])),
    ...present("inputLink", readText(attributes.get(3))),
  };
}

function decodeRoute(family: 4 | 6, body: Uint8Array): Route | undefined {
  const attributes = decodeAttributes(body.subarray(12));
  const kind = routeKinds[body[7] ?? 0];
  if (kind === undefined) return undefined;
  const anywhere = new Uint8Array(family === 4 ? 4 : 16);
  return {
    kind,
    destination: { address: formatIp(attributes.get(1) ?? anywhere), prefixBits: body[1] ?? 0 },
    table: readTable(attributes, body),
    ...present("linkIndex", readU32(attributes.get(4))),
    ...present("gateway", readAddress(attributes.get(5))),
    ...present("source", readAddress(attributes.get(7))),
  };
}

/** A property that is there only when it has a value. */
function present<Name extends string, Value>(
  name: Name,
  value: Value | undefined | 0,
): Partial<Record<Name, Value>> {
  // Sound: the one property is the one named.
  return value === undefined || value === 0 ? {} : ({ [name]: value } as Record<Name, Value>);
}

function readTable(attributes: ReadonlyMap<number, Uint8Array>, body: Uint8Array): number {
  return readU32(attributes.get(15)) ?? body[4] ?? 0;
}

function readRange(address: Uint8Array | undefined, prefixBits: number | undefined): Cidr | undefined {
  return address === undefined ? undefined : { address: formatIp(address), prefixBits: prefixBits ?? 0 };
}

function readAddress(address: Uint8Array | undefined): IpAddress | undefined {
  return address === undefined ? undefined : formatIp(address);
}

function readPort(range: Uint8Array | undefined): number | undefined {
  const value = readU32(range);
  return value === undefined ? undefined : value & 0xffff;
}

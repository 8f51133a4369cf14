/** Network links and their addresses, by route netlink: loopback, veth pairs, bridges, moves between namespaces. Routes and rules are in routes.ts. */
import { type Cidr, formatIp, type IpAddress, ipBytes } from "#core/address/ip.ts";
import { createExclusive, createOrReplace, type Netlink } from "./netlink.ts";
import { decodeAttributes, nested, readText, readU32, text, u32 } from "./netlink-message.ts";

/** A link of a namespace. */
export interface Link {
  readonly index: number;
  readonly name: string;
  readonly isUp: boolean;
}

/** An address on a link. */
export interface LinkAddress {
  readonly index: number;
  readonly address: IpAddress;
  readonly prefixBits: number;
}

/** How far an address is valid: everywhere, on the link, on this host. */
export type AddressScope = "universe" | "link" | "host";

const newLink = 16;
const deleteLinkType = 17;
const getLink = 18;
const newAddress = 20;
const deleteAddressType = 21;
const getAddress = 22;
const up = 1;
const scopes: Readonly<Record<AddressScope, number>> = { universe: 0, link: 253, host: 254 };

/** Lists the namespace's links. */
export function listLinks(netlink: Netlink): Link[] {
  const messages = netlink.list({
    what: "Cannot list links",
    type: getLink,
    flags: 0,
    fixed: linkHeader(0, 0, 0),
    attributes: [],
  });
  return messages.map(({ body }) => {
    const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
    const name = readText(decodeAttributes(body.subarray(16)).get(3)) ?? "";
    return { index: view.getInt32(4, true), name, isUp: (view.getUint32(8, true) & up) !== 0 };
  });
}

/** The index of the link with that name. */
export function findLink(netlink: Netlink, name: string): number | undefined {
  return listLinks(netlink).find((link) => link.name === name)?.index;
}

/** Takes a link into service. */
export function setLinkUp(netlink: Netlink, index: number): void {
  change(netlink, `Cannot take link ${index} up`, linkHeader(index, up, up), []);
}

/** Moves a link into another namespace; its addresses and routes stay behind. */
export function moveLink(netlink: Netlink, index: number, namespaceFd: number): void {
  change(netlink, `Cannot move link ${index} to another namespace`, linkHeader(index, 0, 0), [
    u32(28, namespaceFd),
  ]);
}

/** Renames a link that is down. */
export function renameLink(netlink: Netlink, index: number, name: string): void {
  change(netlink, `Cannot rename link ${index} to "${name}"`, linkHeader(index, 0, 0), [text(3, name)]);
}

/** Makes a link a port of a bridge. */
export function setLinkMaster(netlink: Netlink, index: number, masterIndex: number): void {
  change(netlink, `Cannot put link ${index} on bridge ${masterIndex}`, linkHeader(index, 0, 0), [
    u32(10, masterIndex),
  ]);
}

/** Makes a pair of linked interfaces, the second one in another namespace if given. */
export function addVethPair(
  netlink: Netlink,
  pair: { readonly name: string; readonly peerName: string; readonly peerNamespaceFd?: number },
): void {
  const elsewhere = pair.peerNamespaceFd === undefined ? [] : [u32(28, pair.peerNamespaceFd)];
  const peer = Buffer.concat([linkHeader(0, 0, 0), nested(0, [text(3, pair.peerName), ...elsewhere]).value]);
  const info = nested(18, [text(1, "veth"), nested(2, [{ type: 1, value: peer }])]);
  netlink.change({
    what: `Cannot make the link pair "${pair.name}" and "${pair.peerName}"`,
    type: newLink,
    flags: createExclusive,
    fixed: linkHeader(0, 0, 0),
    attributes: [text(3, pair.name), info],
  });
}

/** Makes a bridge. */
export function addBridge(netlink: Netlink, name: string): void {
  netlink.change({
    what: `Cannot make the bridge "${name}"`,
    type: newLink,
    flags: createExclusive,
    fixed: linkHeader(0, 0, 0),
    attributes: [text(3, name), nested(18, [text(1, "bridge")])],
  });
}

/** Removes a link; the other end of a pair goes with it. */
export function deleteLink(netlink: Netlink, index: number): void {
  netlink.change({
    what: `Cannot remove link ${index}`,
    type: deleteLinkType,
    flags: 0,
    fixed: linkHeader(index, 0, 0),
    attributes: [],
  });
}

/** Gives a link an address. */
export function addAddress(netlink: Netlink, index: number, range: Cidr, scope: AddressScope): void {
  changeAddress(netlink, { type: newAddress, flags: createOrReplace, index, range, scope });
}

/** Takes an address away from a link. */
export function deleteAddress(netlink: Netlink, index: number, range: Cidr): void {
  changeAddress(netlink, { type: deleteAddressType, flags: 0, index, range, scope: "universe" });
}

/** Lists the namespace's addresses of both families. */
export function listAddresses(netlink: Netlink): LinkAddress[] {
  const messages = netlink.list({
    what: "Cannot list addresses",
    type: getAddress,
    flags: 0,
    fixed: Buffer.alloc(8),
    attributes: [],
  });
  return messages.flatMap(({ body }) => {
    const attributes = decodeAttributes(body.subarray(8));
    const bytes = attributes.get(2) ?? attributes.get(1);
    const index = readU32(body.subarray(4, 8)) ?? 0;
    return bytes === undefined ? [] : [{ index, address: formatIp(bytes), prefixBits: body[1] ?? 0 }];
  });
}

function change(
  netlink: Netlink,
  what: string,
  fixed: Uint8Array,
  attributes: readonly ReturnType<typeof u32>[],
): void {
  netlink.change({ what, type: newLink, flags: 0, fixed, attributes });
}

function changeAddress(
  netlink: Netlink,
  wanted: {
    readonly type: number;
    readonly flags: number;
    readonly index: number;
    readonly range: Cidr;
    readonly scope: AddressScope;
  },
): void {
  const bytes = ipBytes(wanted.range.address);
  const isV6 = bytes.length === 16;
  const fixed = Buffer.alloc(8);
  fixed[0] = isV6 ? 10 : 2;
  fixed[1] = wanted.range.prefixBits;
  // Without NODAD an IPv6 address cannot be bound until duplicate detection has ended, a second later.
  fixed[2] = isV6 ? 0x02 : 0;
  fixed[3] = scopes[wanted.scope];
  fixed.writeUInt32LE(wanted.index, 4);
  const local = { type: 2, value: bytes };
  netlink.change({
    what: `Cannot set the address ${wanted.range.address}/${wanted.range.prefixBits} on link ${wanted.index}`,
    type: wanted.type,
    flags: wanted.flags,
    fixed,
    attributes: [{ type: 1, value: bytes }, local],
  });
}

function linkHeader(index: number, flags: number, changed: number): Buffer {
  const fixed = Buffer.alloc(16);
  fixed.writeInt32LE(index, 4);
  fixed.writeUInt32LE(flags, 8);
  fixed.writeUInt32LE(changed, 12);
  return fixed;
}

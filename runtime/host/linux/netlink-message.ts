/** Netlink messages and their attributes as bytes (RFC 3549, linux/netlink.h); knows no socket. */

/** A message's attribute: its type and what it holds. */
export interface Attribute {
  readonly type: number;
  readonly value: Uint8Array;
}

/** One received message. */
export interface NetlinkMessage {
  readonly type: number;
  readonly flags: number;
  readonly sequence: number;
  readonly body: Uint8Array;
}

const headerBytes = 16;

/** Encodes a message: the header, the family's fixed part, then attributes. */
export function encodeMessage(
  head: { readonly type: number; readonly flags: number; readonly sequence: number },
  fixed: Uint8Array,
  attributes: readonly Attribute[],
): Uint8Array {
  const parts = [pad(fixed), ...attributes.map(encodeAttribute)];
  const bytes = Buffer.alloc(headerBytes + parts.reduce((sum, part) => sum + part.length, 0));
  bytes.writeUInt32LE(bytes.length, 0);
  bytes.writeUInt16LE(head.type, 4);
  bytes.writeUInt16LE(head.flags, 6);
  bytes.writeUInt32LE(head.sequence, 8);
  let at = headerBytes;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

/** An attribute that holds attributes. */
export function nested(type: number, attributes: readonly Attribute[]): Attribute {
  return { type, value: Buffer.concat(attributes.map(encodeAttribute)) };
}

/** An attribute that holds a 32-bit number. */
export function u32(type: number, value: number): Attribute {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value >>> 0, 0);
  return { type, value: bytes };
}

/** An attribute that holds a text with its closing zero. */
export function text(type: number, value: string): Attribute {
  return { type, value: Buffer.from(`${value}\0`) };
}

/** Cuts a datagram into messages; what does not have a whole message's form ends the list. */
export function decodeMessages(datagram: Uint8Array): NetlinkMessage[] {
  const view = new DataView(datagram.buffer, datagram.byteOffset, datagram.byteLength);
  const messages: NetlinkMessage[] = [];
  for (let at = 0; at + headerBytes <= datagram.length;) {
    const length = view.getUint32(at, true);
    if (length < headerBytes || at + length > datagram.length) break;
    messages.push({
      type: view.getUint16(at + 4, true),
      flags: view.getUint16(at + 6, true),
      sequence: view.getUint32(at + 8, true),
      body: datagram.subarray(at + headerBytes, at + length),
    });
    at += (length + 3) & ~3;
  }
  return messages;
}

/** Cuts bytes into attributes by type; a repeated type keeps the last, a malformed rest is ignored. */
export function decodeAttributes(bytes: Uint8Array): Map<number, Uint8Array> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const attributes = new Map<number, Uint8Array>();
  for (let at = 0; at + 4 <= bytes.length;) {
    const length = view.getUint16(at, true);
    if (length < 4 || at + length > bytes.length) break;
    attributes.set(view.getUint16(at + 2, true) & 0x3fff, bytes.subarray(at + 4, at + length));
    at += (length + 3) & ~3;
  }
  return attributes;
}

/** Reads a 32-bit number from an attribute's value. */
export function readU32(value: Uint8Array | undefined): number | undefined {
  if (value === undefined || value.length < 4) return undefined;
  return new DataView(value.buffer, value.byteOffset, 4).getUint32(0, true);
}

/** Reads a text from an attribute's value. */
export function readText(value: Uint8Array | undefined): string | undefined {
  if (value === undefined) return undefined;
  const end = value.indexOf(0);
  return Buffer.from(end < 0 ? value : value.subarray(0, end)).toString("utf8");
}

function encodeAttribute(attribute: Attribute): Uint8Array {
  const bytes = Buffer.alloc((4 + attribute.value.length + 3) & ~3);
  bytes.writeUInt16LE(4 + attribute.value.length, 0);
  bytes.writeUInt16LE(attribute.type, 2);
  bytes.set(attribute.value, 4);
  return bytes;
}

function pad(bytes: Uint8Array): Uint8Array {
  if ((bytes.length & 3) === 0) return bytes;
  const padded = new Uint8Array((bytes.length + 3) & ~3);
  padded.set(bytes);
  return padded;
}

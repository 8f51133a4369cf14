/** Makes the answers that a mesh name server gives by itself: addresses, an empty answer, or a refusal. */
import { type IpAddress, ipBytes } from "#core/address/ip.ts";
import { type DnsQuery, headBytes, recordType, responseCode } from "./message.ts";

/** How long a mesh name's address may be kept, as in Istio. */
export const meshTtlSeconds = 30;

const answerFlags = {
  response: 0x8000,
  authoritative: 0x0400,
  truncated: 0x0200,
  available: 0x0080,
} as const;
/** RD and CD go back as they came. */
const repeatedFlags = 0x0110;
const recordHeadBytes = 12;

/** Answers with addresses of the asked type; without any it is an empty answer, which says that the name exists. */
export function formatAddresses(
  query: DnsQuery,
  addresses: readonly IpAddress[],
  bytesMax: number,
): Uint8Array {
  const wanted = addresses.map(ipBytes).filter((bytes) => bytes.length === lengthOf(query.type));
  const base = headBytes + query.question.length;
  const each = recordHeadBytes + lengthOf(query.type);
  const fitting = Math.max(0, Math.min(wanted.length, Math.floor((bytesMax - base) / each)));
  const isCut = fitting < wanted.length;
  const bytes = new Uint8Array(base + fitting * each);
  const flags = answerFlags.authoritative | (isCut ? answerFlags.truncated : 0);
  writeHead(bytes, query, { flags, code: responseCode.noError, answers: fitting });
  const view = new DataView(bytes.buffer);
  wanted.slice(0, fitting).forEach((address, i) => {
    const at = base + i * each;
    // A pointer to the question's name, which stands right after the head.
    view.setUint16(at, 0xc000 | headBytes);
    view.setUint16(at + 2, query.type);
    view.setUint16(at + 4, 1);
    view.setUint32(at + 6, meshTtlSeconds);
    view.setUint16(at + 10, address.length);
    bytes.set(address, at + recordHeadBytes);
  });
  return bytes;
}

/** Answers with a code and nothing else. */
export function formatRefusal(query: DnsQuery, code: number): Uint8Array {
  const bytes = new Uint8Array(headBytes + query.question.length);
  writeHead(bytes, query, { flags: 0, code, answers: 0 });
  return bytes;
}

/** Refuses a message of which only the id is known. */
export function formatFault(id: number, code: number): Uint8Array {
  const bytes = new Uint8Array(headBytes);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, id);
  view.setUint16(2, answerFlags.response | code);
  return bytes;
}

/** A copy of an answer under another id. */
export function withId(message: Uint8Array, id: number): Uint8Array {
  const copy = message.slice();
  copy[0] = id >> 8;
  copy[1] = id & 0xff;
  return copy;
}

function writeHead(
  bytes: Uint8Array,
  query: DnsQuery,
  head: { readonly flags: number; readonly code: number; readonly answers: number },
): void {
  const view = new DataView(bytes.buffer);
  view.setUint16(0, query.id);
  const flags = answerFlags.response | answerFlags.available | head.flags;
  view.setUint16(2, flags | (query.flags & repeatedFlags) | head.code);
  view.setUint16(4, 1);
  view.setUint16(6, head.answers);
  bytes.set(query.question, headBytes);
}

function lengthOf(type: number): number {
  if (type === recordType.a) return 4;
  return type === recordType.aaaa ? 16 : 0;
}

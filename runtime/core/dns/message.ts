/** DNS messages on the wire (RFC 1035), as far as a proxy must understand them: a query's one question, and an answer's addresses. Every reader is bounded. */
import { formatIp, type IpAddress } from "#core/address/ip.ts";
import { err, ok, type Result } from "#core/result.ts";

/** Record types that are understood; others pass by number. */
export const recordType = { a: 1, cname: 5, aaaa: 28, opt: 41 } as const;
/** Response codes that are given. */
export const responseCode = {
  noError: 0,
  formatError: 1,
  serverFailure: 2,
  nxDomain: 3,
  notImplemented: 4,
  refused: 5,
} as const;

/** The bytes of a message's head. */
export const headBytes = 12;
const nameBytesMax = 255;
const labelBytesMax = 63;
/** Labels and pointers of one name: 127 labels are all that fit, and a pointer each is more than anyone uses. */
const stepsMax = 160;
const recordsMax = 256;
const internet = 1;

/** A query with its one question. */
export interface DnsQuery {
  readonly id: number;
  /** The flags word, of which RD and CD go back. */
  readonly flags: number;
  /** Lower case, without the last dot; empty for the root. */
  readonly name: string;
  readonly type: number;
  readonly class: number;
  /** The question as it was asked, to be repeated with its letter case. */
  readonly question: Uint8Array;
  /** The largest answer by UDP that the asker takes, 512 unless it said more. */
  readonly udpBytesMax: number;
}

/** Why a message is no query that can be answered, with what is known for a refusal. */
export interface QueryFault {
  /** Undefined when not even the id could be read: such a message gets no answer. */
  readonly id: number | undefined;
  readonly code: number;
  readonly text: string;
}

/** Reads a query. */
export function parseQuery(bytes: Uint8Array): Result<DnsQuery, QueryFault> {
  if (bytes.length < headBytes)
    return err({ id: undefined, code: responseCode.formatError, text: "too short" });
  const view = viewOf(bytes);
  const id = view.getUint16(0);
  const flags = view.getUint16(2);
  // Answering an answer could make two servers talk for ever.
  if ((flags & 0x8000) !== 0)
    return err({ id: undefined, code: responseCode.formatError, text: "not a query" });
  const fault = (code: number, text: string): Result<DnsQuery, QueryFault> => err({ id, code, text });
  if ((flags & 0x7800) !== 0) return fault(responseCode.notImplemented, "not a standard query");
  if (view.getUint16(4) !== 1) return fault(responseCode.formatError, "not exactly one question");
  const name = readName(bytes, headBytes);
  if (name === undefined || name.end + 4 > bytes.length)
    return fault(responseCode.formatError, "no readable question");
  return ok({
    id,
    flags,
    name: name.text,
    type: view.getUint16(name.end),
    class: view.getUint16(name.end + 2),
    question: bytes.slice(headBytes, name.end + 4),
    udpBytesMax: readUdpBytesMax(bytes, name.end + 4),
  });
}

/** Whether the question is for the Internet class, the only one with answers here. */
export function isInternet(query: DnsQuery): boolean {
  return query.class === internet;
}

/** An address that an answer holds. */
export interface AnsweredAddress {
  readonly ip: IpAddress;
  readonly ttlSeconds: number;
}

/** The part of an answer that is looked at. */
export interface DnsAnswer {
  readonly id: number;
  readonly code: number;
  readonly isTruncated: boolean;
  /** The question's name; undefined when the answer repeats none. */
  readonly name: string | undefined;
  /** Every address of the answer section, whatever alias led to it. */
  readonly addresses: readonly AnsweredAddress[];
}

/** Reads an answer; undefined when it is malformed. */
export function parseAnswer(bytes: Uint8Array): DnsAnswer | undefined {
  if (bytes.length < headBytes) return undefined;
  const view = viewOf(bytes);
  const flags = view.getUint16(2);
  const [questions, answers] = [view.getUint16(4), view.getUint16(6)];
  if ((flags & 0x8000) === 0 || questions > 1 || answers > recordsMax) return undefined;
  const question = questions === 1 ? readName(bytes, headBytes) : { text: undefined, end: headBytes - 4 };
  const addresses = question && readAddresses(bytes, question.end + 4, answers);
  if (question === undefined || addresses === undefined) return undefined;
  const isTruncated = (flags & 0x0200) !== 0;
  return { id: view.getUint16(0), code: flags & 15, isTruncated, name: question.text, addresses };
}

function readAddresses(bytes: Uint8Array, start: number, count: number): AnsweredAddress[] | undefined {
  const addresses: AnsweredAddress[] = [];
  let at = start;
  for (let i = 0; i < count; i++) {
    const record = readRecord(bytes, at);
    if (record === undefined) return undefined;
    at = record.end;
    if (record.address !== undefined) addresses.push({ ip: record.address, ttlSeconds: record.ttlSeconds });
  }
  return addresses;
}

interface ReadRecord {
  readonly end: number;
  readonly ttlSeconds: number;
  readonly address: IpAddress | undefined;
}

function readRecord(bytes: Uint8Array, at: number): ReadRecord | undefined {
  const name = readName(bytes, at);
  if (name === undefined || name.end + 10 > bytes.length) return undefined;
  const view = viewOf(bytes);
  const type = view.getUint16(name.end);
  const length = view.getUint16(name.end + 8);
  const start = name.end + 10;
  const end = start + length;
  if (end > bytes.length) return undefined;
  const isAddress =
    view.getUint16(name.end + 2) === internet &&
    ((type === recordType.a && length === 4) || (type === recordType.aaaa && length === 16));
  const address = isAddress ? formatIp(bytes.subarray(start, end)) : undefined;
  return { end, ttlSeconds: view.getUint32(name.end + 4), address };
}

/** The asker's limit from an OPT record (RFC 6891) that directly follows, else 512. */
function readUdpBytesMax(bytes: Uint8Array, at: number): number {
  const view = viewOf(bytes);
  const others = view.getUint16(6) + view.getUint16(8);
  const isOpt = at + 5 <= bytes.length && bytes[at] === 0 && view.getUint16(at + 1) === recordType.opt;
  if (others !== 0 || view.getUint16(10) === 0 || !isOpt) return 512;
  // Beyond 4096 fragments are likelier to be lost than the question asked again by TCP is slow.
  return Math.min(Math.max(view.getUint16(at + 3), 512), 4096);
}

interface ReadName {
  readonly text: string;
  /** Where the name ends at the place it was read from, pointers not followed. */
  readonly end: number;
}

/** Reads a name; pointers must lead backwards, so that they cannot go round in circles. */
function readName(bytes: Uint8Array, start: number): ReadName | undefined {
  let text = "";
  let at = start;
  let end: number | undefined;
  let lowest = start;
  for (let steps = 0; steps < stepsMax; steps++) {
    const length = bytes[at];
    if (length === 0) return { text, end: end ?? at + 1 };
    if (length === undefined) return undefined;
    if (length >= 0xc0) {
      const target = pointerAt(bytes, at, lowest);
      if (target === undefined) return undefined;
      end ??= at + 2;
      at = lowest = target;
      continue;
    }
    const label = readLabel(bytes, at + 1, length);
    if (label === undefined || text.length + label.length + 1 > nameBytesMax) return undefined;
    text = text === "" ? label : `${text}.${label}`;
    at += 1 + length;
  }
  return undefined;
}

/** Where the pointer at `at` leads: before all that was read of the name yet. */
function pointerAt(bytes: Uint8Array, at: number, lowest: number): number | undefined {
  if (at + 2 > bytes.length) return undefined;
  const target = viewOf(bytes).getUint16(at) & 0x3fff;
  return target >= headBytes && target < lowest ? target : undefined;
}

/** A label in lower case; what is not printable ASCII, or a dot within it, makes the name unreadable here. */
function readLabel(bytes: Uint8Array, at: number, length: number): string | undefined {
  if (length > labelBytesMax || at + length > bytes.length) return undefined;
  let label = "";
  for (let i = at; i < at + length; i++) {
    const unit = bytes[i] ?? 0;
    if (unit <= 0x20 || unit >= 0x7f || unit === 0x2e) return undefined;
    label += String.fromCharCode(unit);
  }
  return label.toLowerCase();
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

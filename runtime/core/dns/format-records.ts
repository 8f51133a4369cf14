/** Answers with records of several types: aliases, services, pointers, addresses (RFC 1035 §3.2, RFC 2782). Names are not compressed but for the question's own. */
import { type IpAddress, ipBytes } from "#core/address/ip.ts";
import { meshTtlSeconds } from "./format-answer.ts";
import { type DnsQuery, headBytes, recordType } from "./message.ts";

/** A record of an answer; its name is the question's unless it says another. */
export type AnswerRecord = { readonly name?: string } & (
  | { readonly kind: "address"; readonly address: IpAddress }
  | { readonly kind: "alias" | "pointer"; readonly target: string }
  | { readonly kind: "service"; readonly target: string; readonly port: number }
);

/** Record type of pointers. */
export const pointerType = 12;
/** Record type of services. */
export const serviceType = 33;
const flags = { response: 0x8000, authoritative: 0x0400, truncated: 0x0200, available: 0x0080 } as const;
/** RD and CD go back as they came. */
const repeatedFlags = 0x0110;
const servicePriority = 0;
const serviceWeight = 100;

/** Answers with as many records as fit, in their order; without any it says that the name exists. */
export function formatRecords(
  query: DnsQuery,
  records: readonly AnswerRecord[],
  bytesMax: number,
): Uint8Array {
  const base = headBytes + query.question.length;
  const fitting: Uint8Array[] = [];
  let length = base;
  for (const record of records.map(encodeRecord)) {
    if (length + record.length > bytesMax) break;
    fitting.push(record);
    length += record.length;
  }
  const bytes = new Uint8Array(length);
  const view = new DataView(bytes.buffer);
  const cut = fitting.length < records.length ? flags.truncated : 0;
  view.setUint16(0, query.id);
  view.setUint16(
    2,
    flags.response | flags.authoritative | flags.available | cut | (query.flags & repeatedFlags),
  );
  view.setUint16(4, 1);
  view.setUint16(6, fitting.length);
  bytes.set(query.question, headBytes);
  let at = base;
  for (const record of fitting) {
    bytes.set(record, at);
    at += record.length;
  }
  return bytes;
}

function encodeRecord(record: AnswerRecord): Uint8Array {
  // A pointer to the question's name, which stands right after the head.
  const name = record.name === undefined ? Uint8Array.of(0xc0, headBytes) : encodeName(record.name);
  const { type, data } = encodeData(record);
  const bytes = new Uint8Array(name.length + 10 + data.length);
  const view = new DataView(bytes.buffer);
  bytes.set(name);
  view.setUint16(name.length, type);
  view.setUint16(name.length + 2, 1);
  view.setUint32(name.length + 4, meshTtlSeconds);
  view.setUint16(name.length + 8, data.length);
  bytes.set(data, name.length + 10);
  return bytes;
}

function encodeData(record: AnswerRecord): { readonly type: number; readonly data: Uint8Array } {
  switch (record.kind) {
    case "address": {
      const data = ipBytes(record.address);
      return { type: data.length === 4 ? recordType.a : recordType.aaaa, data };
    }
    case "alias":
      return { type: recordType.cname, data: encodeName(record.target) };
    case "pointer":
      return { type: pointerType, data: encodeName(record.target) };
    case "service": {
      const name = encodeName(record.target);
      const data = new Uint8Array(6 + name.length);
      const view = new DataView(data.buffer);
      view.setUint16(0, servicePriority);
      view.setUint16(2, serviceWeight);
      view.setUint16(4, record.port);
      data.set(name, 6);
      return { type: serviceType, data };
    }
  }
}

/** A name in its wire form; labels beyond what the form holds are cut. */
function encodeName(name: string): Uint8Array {
  const labels = name.split(".").filter((label) => label !== "");
  const encoded = labels.map((label) => new TextEncoder().encode(label).subarray(0, 63));
  const bytes = new Uint8Array(encoded.reduce((sum, label) => sum + 1 + label.length, 1));
  let at = 0;
  for (const label of encoded) {
    bytes[at] = label.length;
    bytes.set(label, at + 1);
    at += 1 + label.length;
  }
  return bytes;
}

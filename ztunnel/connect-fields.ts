/** The header list of a CONNECT as ztunnel sends it, and what it reads of one that it receives. */
import { fieldValues, type HeaderField } from "#core/h2/header-field.ts";
import { type Authority, parseAuthority } from "#core/hbone/authority.ts";
import { formatBaggage } from "#core/hbone/baggage.ts";
import { formatForwarded } from "#core/hbone/forwarded.ts";
import {
  type OriginalCaller,
  originalCallerField,
  parseOriginalCaller,
} from "#core/hbone/original-caller.ts";
import { formatTraceparent } from "#core/telemetry/trace-context.ts";
import type { ConnectionFacts } from "./connection-facts.ts";
import type { LocalFacts } from "./local-workload.ts";
import type { Party } from "./party.ts";

/** The fields of a CONNECT for a connection. */
export function connectFields(connection: ConnectionFacts, facts: LocalFacts): HeaderField[] {
  const host = connection.service.hostname;
  const forwarded = { for: connection.sourceAddress, ...(host === "" ? {} : { host }) };
  return [
    [":method", "CONNECT"],
    [":authority", connection.tunnelTarget ?? ""],
    ["baggage", baggageOf(facts.party)],
    ["forwarded", formatForwarded(forwarded)],
    ["traceparent", formatTraceparent(connection.trace)],
  ];
}

const baggages = new WeakMap<Party, string>();

/** What a side says of itself; made once for each, since every connection repeats it. */
export function baggageOf(party: Party): string {
  const known = baggages.get(party);
  if (known !== undefined) return known;
  const text = formatBaggage({
    clusterName: party.cluster,
    namespace: party.namespace,
    workloadKind: party.workloadType,
    workloadName: party.workload,
    serviceName: party.canonicalName,
    serviceVersion: party.canonicalRevision,
    region: party.region,
    zone: party.zone,
  });
  baggages.set(party, text);
  return text;
}

/** What a CONNECT asks for; undefined when its authority cannot be read. */
export function targetOf(authority: string): Authority | undefined {
  const read = parseAuthority(authority);
  return read.ok ? read.value : undefined;
}

/** Whom the peer says it speaks for; whether that counts is decided elsewhere. */
export function namedCallerOf(fields: readonly HeaderField[]): OriginalCaller | "malformed" | undefined {
  const read = parseOriginalCaller(fieldValues(fields, originalCallerField));
  return read.ok ? read.value : "malformed";
}

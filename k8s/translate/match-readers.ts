/** How each attribute of a policy that layer 4 can tell is written into a match. */
import { create } from "@bufbuild/protobuf";
import { ipBytes, parseCidr } from "#core/address/ip.ts";
import {
  type Address,
  AddressSchema,
  type Match,
  type ServiceAccountMatch,
  ServiceAccountMatchSchema,
  type StringMatch,
  StringMatchSchema,
} from "#core/proto/istio/authorization_pb.js";

/** What a rule is read with. */
export interface RuleContext {
  readonly isDeny: boolean;
  readonly namespace: string;
  readonly trustDomain: string;
  readonly onProblem: (text: string) => void;
}

/** Reads the values of one attribute into a match. @returns why it cannot. */
export type AttributeReader = (
  match: Match,
  values: readonly string[],
  context: RuleContext,
) => string | undefined;

/** Reads one value. @returns undefined when it has not the attribute's form. */
type ValueReader<Value> = (text: string, context: RuleContext) => Value | undefined;

const namespaces = attribute((match) => match.namespaces, readStringMatch);
const notNamespaces = attribute((match) => match.notNamespaces, readStringMatch);
const principals = attribute((match) => match.principals, readPrincipal);
const notPrincipals = attribute((match) => match.notPrincipals, readPrincipal);
const serviceAccounts = attribute((match) => match.serviceAccounts, readServiceAccount);
const notServiceAccounts = attribute((match) => match.notServiceAccounts, readServiceAccount);
const sourceIps = attribute((match) => match.sourceIps, readRange);
const notSourceIps = attribute((match) => match.notSourceIps, readRange);
const destinationIps = attribute((match) => match.destinationIps, readRange);
const notDestinationIps = attribute((match) => match.notDestinationIps, readRange);
const destinationPorts = attribute((match) => match.destinationPorts, readPort);
const notDestinationPorts = attribute((match) => match.notDestinationPorts, readPort);

/** `from.source`, by field. */
export const sourceReaders: Readonly<Partial<Record<string, AttributeReader>>> = {
  namespaces,
  notNamespaces,
  principals,
  notPrincipals,
  serviceAccounts,
  notServiceAccounts,
  ipBlocks: sourceIps,
  notIpBlocks: notSourceIps,
};

/** `to.operation`, by field. */
export const operationReaders: Readonly<Partial<Record<string, AttributeReader>>> = {
  ports: destinationPorts,
  notPorts: notDestinationPorts,
};

/** `when`, by key. */
export const conditionReaders: ReadonlyMap<
  string,
  { readonly is: AttributeReader; readonly not: AttributeReader }
> = new Map([
  ["source.namespace", { is: namespaces, not: notNamespaces }],
  ["source.principal", { is: principals, not: notPrincipals }],
  ["source.serviceAccount", { is: serviceAccounts, not: notServiceAccounts }],
  ["source.ip", { is: sourceIps, not: notSourceIps }],
  ["destination.ip", { is: destinationIps, not: notDestinationIps }],
  ["destination.port", { is: destinationPorts, not: notDestinationPorts }],
]);

/**
 * An attribute whose values all must be readable: with one of several left out an ALLOW would be weaker for `not…`,
 * and a DENY weaker for the rest.
 */
function attribute<Value>(field: (match: Match) => Value[], read: ValueReader<Value>): AttributeReader {
  return (match, values, context) => {
    const found: Value[] = [];
    for (const text of values) {
      const value = read(text, context);
      if (value === undefined) return `"${text.slice(0, 100)}" is not of the form this attribute has`;
      found.push(value);
    }
    field(match).push(...found);
    return undefined;
  };
}

function readStringMatch(text: string): StringMatch | undefined {
  if (text === "") return undefined;
  if (text === "*") return create(StringMatchSchema, { matchType: { case: "presence", value: {} } });
  if (text.startsWith("*"))
    return create(StringMatchSchema, { matchType: { case: "suffix", value: text.slice(1) } });
  if (text.endsWith("*"))
    return create(StringMatchSchema, { matchType: { case: "prefix", value: text.slice(0, -1) } });
  return create(StringMatchSchema, { matchType: { case: "exact", value: text } });
}

/** `cluster.local` in a policy means the mesh's own trust domain, whatever that is called, as in Istio. */
function readPrincipal(text: string, { trustDomain }: RuleContext): StringMatch | undefined {
  const local = "cluster.local/";
  return readStringMatch(text.startsWith(local) ? `${trustDomain}/${text.slice(local.length)}` : text);
}

function readServiceAccount(text: string, { namespace }: RuleContext): ServiceAccountMatch | undefined {
  const match = /^(?:([a-z0-9][-a-z0-9.]*)\/)?([a-z0-9][-a-z0-9.]*)$/.exec(text);
  if (match === null) return undefined;
  return create(ServiceAccountMatchSchema, {
    namespace: match[1] ?? namespace,
    serviceAccount: match[2] ?? "",
  });
}

function readRange(text: string): Address | undefined {
  const range = parseCidr(text);
  if (!range.ok) return undefined;
  return create(AddressSchema, { address: ipBytes(range.value.address), length: range.value.prefixBits });
}

function readPort(text: string): number | undefined {
  const port = /^[1-9]\d{0,4}$/.test(text) ? Number(text) : Number.NaN;
  return port <= 65_535 ? port : undefined;
}

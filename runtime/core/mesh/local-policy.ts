/** A policy written in a local file, in Istio's schema, to the message that discovery would bring. */
import { create } from "@bufbuild/protobuf";
import { ipBytes, parseCidr } from "#core/address/ip.ts";
import {
  Action,
  type Authorization,
  AuthorizationSchema,
  MatchSchema,
  type Match,
  PresenceSchema,
  Scope,
  StringMatchSchema,
  type StringMatch,
} from "#core/proto/istio/authorization_pb.js";
import { type Mistakes, readStrictly, type StrictFields } from "./strict-fields.ts";

const scopes = {
  Global: Scope.GLOBAL,
  Namespace: Scope.NAMESPACE,
  WorkloadSelector: Scope.WORKLOAD_SELECTOR,
};
const actions = { Allow: Action.ALLOW, Deny: Action.DENY };

/** Reads one policy; mistakes are collected with their paths. */
export function readLocalPolicy(fields: StrictFields, mistakes: Mistakes): Authorization {
  const groups = fields.items("rules").map((rule) => ({
    rules: listOf(rule, mistakes).map((clause) => ({
      matches: listOf(clause, mistakes).map((match) =>
        readMatch(readStrictly(match.value, match.path, mistakes), mistakes),
      ),
    })),
  }));
  const message = create(AuthorizationSchema, {
    name: fields.text("name"),
    namespace: fields.text("namespace"),
    scope: fields.choice("scope", scopes, Scope.GLOBAL),
    action: fields.choice("action", actions, Action.ALLOW),
    dryRun: fields.flag("dryRun"),
    groups,
  });
  fields.end();
  return message;
}

interface Item {
  readonly value: unknown;
  readonly path: string;
}

function listOf(item: Item, mistakes: Mistakes): Item[] {
  if (Array.isArray(item.value)) {
    return item.value.map((value: unknown, i) => ({ value, path: `${item.path}[${i}]` }));
  }
  mistakes.push(`Cannot read ${item.path} as a list: ${JSON.stringify(item.value).slice(0, 80)}`);
  return [];
}

function readMatch(fields: StrictFields, mistakes: Mistakes): Match {
  const match = create(MatchSchema, {
    namespaces: readTexts(fields, "namespaces", mistakes),
    notNamespaces: readTexts(fields, "notNamespaces", mistakes),
    principals: readTexts(fields, "principals", mistakes),
    notPrincipals: readTexts(fields, "notPrincipals", mistakes),
    sourceIps: readRanges(fields, "sourceIps"),
    notSourceIps: readRanges(fields, "notSourceIps"),
    destinationIps: readRanges(fields, "destinationIps"),
    notDestinationIps: readRanges(fields, "notDestinationIps"),
    destinationPorts: readPorts(fields, "destinationPorts"),
    notDestinationPorts: readPorts(fields, "notDestinationPorts"),
    serviceAccounts: readAccounts(fields, "serviceAccounts"),
    notServiceAccounts: readAccounts(fields, "notServiceAccounts"),
  });
  fields.end();
  return match;
}

/** `- exact: x`, `- prefix: x`, `- suffix: x`, `- presence: {}` or the bare word `presence`, as serializers write it. */
function readTexts(fields: StrictFields, name: string, mistakes: Mistakes): StringMatch[] {
  return fields.items(name).map((item) => {
    const given = item.value === "presence" ? { presence: {} } : item.value;
    const pattern = readStrictly(given, item.path, mistakes);
    const kinds = (["exact", "prefix", "suffix", "presence"] as const).filter((kind) => pattern.has(kind));
    const [kind] = kinds;
    if (kinds.length !== 1 || kind === undefined) {
      fields.fail(name, "texts that are one of exact, prefix, suffix, presence");
      return create(StringMatchSchema, {});
    }
    const matchType: StringMatch["matchType"] =
      kind === "presence"
        ? { case: kind, value: create(PresenceSchema, {}) }
        : { case: kind, value: pattern.text(kind) };
    if (kind === "presence") pattern.entries(kind);
    pattern.end();
    return create(StringMatchSchema, { matchType });
  });
}

function readRanges(fields: StrictFields, name: string): { address: Uint8Array; length: number }[] {
  return fields.texts(name).flatMap((text) => {
    const cidr = parseCidr(text);
    if (!cidr.ok) fields.fail(name, "ranges (10.0.0.0/8)");
    return cidr.ok ? [{ address: ipBytes(cidr.value.address), length: cidr.value.prefixBits }] : [];
  });
}

function readPorts(fields: StrictFields, name: string): number[] {
  return fields.items(name).flatMap(({ value }) => {
    if (typeof value === "number" && Number.isInteger(value) && value > 0 && value < 65536) return [value];
    fields.fail(name, "ports");
    return [];
  });
}

function readAccounts(fields: StrictFields, name: string): { namespace: string; serviceAccount: string }[] {
  return fields.objects(name).map((account) => {
    const read = { namespace: account.text("namespace"), serviceAccount: account.text("serviceAccount") };
    account.end();
    return read;
  });
}

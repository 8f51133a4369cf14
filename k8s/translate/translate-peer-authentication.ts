/** PeerAuthentications → the policies that deny whoever shows no identity, under Istio's names, and which of them a workload is given. */
import { create } from "@bufbuild/protobuf";
import {
  Action,
  type Authorization,
  AuthorizationSchema,
  type Match,
  MatchSchema,
  Scope,
} from "#core/proto/istio/authorization_pb.js";
import type { PeerAuthenticationObject } from "../model/peer-authentication.ts";
import {
  hasLabels,
  type PeerRules,
  type PeerSubject,
  resolveOwn,
  resolvePeer,
} from "./resolve-peer-authentication.ts";

const strictName = "istio_converted_static_strict";

/** The key of the policy that denies every plain connection. */
export function strictKey(rootNamespace: string): string {
  return `${rootNamespace}/${strictName}`;
}

/** That policy: it holds where it is named. */
export function strictPolicy(rootNamespace: string): Authorization {
  return denial(rootNamespace, strictName, create(MatchSchema, { notPrincipals: anybody }));
}

/** The policies of those with ports of their own, by key. @param own those of the namespace that the rules are of */
export function translatePeerAuthentications(
  rules: PeerRules,
  own: readonly PeerAuthenticationObject[],
): Map<string, Authorization> {
  return new Map(
    own.flatMap((each): [string, Authorization][] => {
      const { isStrict, exceptPorts } = resolveOwn(rules, each);
      const { namespace, name } = each.metadata;
      if (!hasLabels(each) || namespace === rules.rootNamespace || exceptPorts.length === 0) return [];
      const ports = isStrict
        ? { notDestinationPorts: [...exceptPorts] }
        : { destinationPorts: [...exceptPorts] };
      const match = create(MatchSchema, { notPrincipals: anybody, ...ports });
      return [[portsKey(each), denial(namespace, convertedName(name), match)]];
    }),
  );
}

/** The keys that a workload is given. */
export function peerKeysFor(rules: PeerRules, subject: PeerSubject): readonly string[] {
  const { isStrict, portsOf } = resolvePeer(rules, subject);
  // The policy of one with ports says for all ports what holds.
  if (portsOf !== undefined) return [portsKey(portsOf)];
  return isStrict ? [strictKey(rules.rootNamespace)] : [];
}

function portsKey({ metadata }: PeerAuthenticationObject): string {
  return `${metadata.namespace}/${convertedName(metadata.name)}`;
}

function convertedName(name: string): string {
  return `converted_peer_authentication_${name}`;
}

const anybody = [{ matchType: { case: "presence" as const, value: {} } }];

function denial(namespace: string, name: string, match: Match): Authorization {
  return create(AuthorizationSchema, {
    name,
    namespace,
    scope: Scope.WORKLOAD_SELECTOR,
    action: Action.DENY,
    groups: [{ rules: [{ matches: [match] }] }],
  });
}

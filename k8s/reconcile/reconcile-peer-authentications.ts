/** PeerAuthentications → whether ztunnels enforce each as it is written, and why not. */
import { canonicalJson } from "#core/release/canonical-json.ts";
import type { Condition } from "#host/kube/known-resources.ts";
import { type PeerAuthenticationObject, peerAuthenticationResource } from "../model/peer-authentication.ts";
import type { MeshIndex } from "../translate/mesh-index.ts";
import {
  hasLabels,
  type PeerRules,
  sortPeerAuthentications,
} from "../translate/resolve-peer-authentication.ts";
import type { Action } from "./action.ts";
import { condition, mergeConditions } from "./conditions.ts";

/** Decides for every one. @param now RFC 3339 */
export function reconcilePeerAuthentications(index: MeshIndex, now: string): readonly Action[] {
  const { peerAuthentications } = index.objects;
  const { rootNamespace } = index.settings;
  const rules = new Map<string, PeerRules>();
  return peerAuthentications.flatMap((each) => {
    const { namespace } = each.metadata;
    const known =
      rules.get(namespace) ?? sortPeerAuthentications(peerAuthentications, namespace, rootNamespace);
    rules.set(namespace, known);
    return reconcileOne(each, known, now);
  });
}

function reconcileOne(each: PeerAuthenticationObject, rules: PeerRules, now: string): readonly Action[] {
  const { namespace, name, generation } = each.metadata;
  const problems = problemsOf(each, rules);
  const verdict =
    problems.length === 0
      ? { reason: "Accepted", message: "enforced as written" }
      : { reason: "UnsupportedValue", message: problems.join("; ") };
  const wanted = [condition("ZtunnelAccepted", problems.length === 0, verdict, generation)];
  const existing = each.status as { readonly conditions?: readonly Condition[] } | undefined;
  const status = { conditions: mergeConditions(existing?.conditions, wanted, now) };
  if (existing !== undefined && canonicalJson(existing) === canonicalJson(status)) return [];
  return [{ kind: "status", type: peerAuthenticationResource, key: { namespace, name }, status }];
}

function problemsOf(each: PeerAuthenticationObject, rules: PeerRules): readonly string[] {
  const { metadata, spec = {} } = each;
  const isRoots = metadata.namespace === rules.rootNamespace;
  const problems: string[] = [];
  if (hasLabels(each) && isRoots) {
    problems.push("a selector in the root namespace selects nothing: it is not enforced");
  }
  const modes = [spec.mtls, ...Object.values(spec.portLevelMtls ?? {})].map((mtls) => mtls?.mode);
  if (modes.includes("DISABLE")) {
    problems.push(
      "DISABLE is not supported in ambient: it is taken as PERMISSIVE, and tunnels are used all the same",
    );
  }
  const holding = isRoots ? rules.mesh : rules.ofNamespace;
  if (!hasLabels(each) && holding !== undefined && holding !== each) {
    problems.push(`the older ${holding.metadata.name} holds in its place`);
  }
  return problems;
}

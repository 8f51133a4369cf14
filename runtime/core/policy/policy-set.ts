/** All policies that are held, by key, and which of them apply to a workload; evaluation is elsewhere. */
import { changeMap, emptyMap, type PersistentMap } from "#core/collections/persistent-map.ts";
import type { Policy } from "./policy.ts";

/** The policies held; never changes. */
export interface PolicySet {
  readonly byKey: PersistentMap<Policy>;
  /** Keys of the policies that apply without being named, by namespace; global ones under "". */
  readonly byNamespace: PersistentMap<readonly string[]>;
}

/** What applies to one workload, taken from one set. */
export interface ApplicablePolicies {
  readonly deny: readonly Policy[];
  readonly allow: readonly Policy[];
  readonly dryRun: readonly Policy[];
  /** Keys that apply and are not held. */
  readonly missing: readonly string[];
}

/** A set that holds nothing. */
export const noPolicies: PolicySet = { byKey: emptyMap(), byNamespace: emptyMap() };

/** A copy of the set with policies added or replaced, and others removed by key. */
export function withPolicies(
  set: PolicySet,
  changed: readonly Policy[],
  removed: readonly string[],
): PolicySet {
  const byKey = changeMap(set.byKey);
  const byNamespace = changeMap(set.byNamespace);
  const forget = (key: string): void => {
    const known = byKey.get(key);
    const home = known === undefined ? undefined : homeOf(known);
    if (home !== undefined)
      byNamespace.set(
        home,
        (byNamespace.get(home) ?? []).filter((other) => other !== key),
      );
    byKey.delete(key);
  };
  for (const key of removed) forget(key);
  for (const policy of changed) {
    forget(policy.key);
    byKey.set(policy.key, policy);
    const home = homeOf(policy);
    if (home !== undefined) byNamespace.set(home, [...(byNamespace.get(home) ?? []), policy.key]);
  }
  return { byKey: byKey.done(), byNamespace: byNamespace.done() };
}

/** The keys that apply to a workload: those of its namespace, the global ones, and those it names. */
export function applicableKeys(set: PolicySet, namespace: string, named: readonly string[]): string[] {
  const keys = new Set([
    ...(set.byNamespace.get(namespace) ?? []),
    ...(set.byNamespace.get("") ?? []),
    ...named,
  ]);
  return [...keys];
}

/** Looks the keys up, for evaluating them many times. */
export function resolvePolicies(set: PolicySet, keys: Iterable<string>): ApplicablePolicies {
  const found = {
    deny: [] as Policy[],
    allow: [] as Policy[],
    dryRun: [] as Policy[],
    missing: [] as string[],
  };
  for (const key of keys) {
    const policy = set.byKey.get(key);
    if (policy === undefined) found.missing.push(key);
    else found[policy.dryRun ? "dryRun" : policy.action].push(policy);
  }
  return found;
}

function homeOf(policy: Policy): string | undefined {
  if (policy.scope === "global") return "";
  return policy.scope === "namespace" ? policy.namespace : undefined;
}

/** Which policies hold for a workload, and which a waypoint enforces for a service. */
import type { AuthorizationPolicyObject } from "../model/authorization-policy.ts";
import type { PeerAuthenticationObject } from "../model/peer-authentication.ts";
import type { MeshSettings } from "./mesh-objects.ts";
import { sortPeerAuthentications } from "./resolve-peer-authentication.ts";
import { peerKeysFor } from "./translate-peer-authentication.ts";
import { hasSelector, targetRefsOf } from "./translate-policy.ts";

/** Where policies without selector hold everywhere. */
export type RootSettings = Pick<MeshSettings, "rootNamespace">;

/** A workload as policies select it. */
export interface PolicySubject {
  readonly namespace: string;
  readonly labels: Readonly<Record<string, string>>;
}

/** A service as policies target it. */
export interface PolicyTarget {
  readonly namespace: string;
  readonly service: string;
  /** Name of the function behind it, when there is one. */
  readonly function: string | undefined;
  /** Name of its waypoint's Gateway, of the same namespace. */
  readonly gateway: string;
}

/** Keys of every policy that proxies evaluate for a workload: everywhere, of its namespace, by selector. */
export function keysForWorkload(
  policies: readonly AuthorizationPolicyObject[],
  subject: PolicySubject,
  settings: RootSettings,
): readonly string[] {
  return keysOf(policies.filter((policy) => appliesTo(policy, subject, settings)));
}

/** Of those, only what names the workload by a selector, as Istio's Workload carries it. */
export function selectorKeysForWorkload(
  policies: readonly AuthorizationPolicyObject[],
  subject: PolicySubject,
  settings: RootSettings,
): readonly string[] {
  return keysOf(policies.filter((policy) => hasSelector(policy) && appliesTo(policy, subject, settings)));
}

/** What a Pod's policies are decided from. */
export interface PodPolicies {
  readonly policies: readonly AuthorizationPolicyObject[];
  readonly peerAuthentications: readonly PeerAuthenticationObject[];
  readonly settings: Pick<MeshSettings, "rootNamespace">;
}

/**
 * Keys of every policy that ztunnel evaluates for a Pod, those that PeerAuthentications come to included: what the node
 * tells it when it takes the Pod into the mesh.
 */
export function keysForPod(
  { policies, peerAuthentications, settings }: PodPolicies,
  subject: PolicySubject,
): readonly string[] {
  const rules = sortPeerAuthentications(peerAuthentications, subject.namespace, settings.rootNamespace);
  return [...keysForWorkload(policies, subject, settings), ...peerKeysFor(rules, subject)].sort();
}

/** Keys of the policies that are attached to a service or to its waypoint. */
export function keysForTarget(
  policies: readonly AuthorizationPolicyObject[],
  target: PolicyTarget,
): readonly string[] {
  return keysOf(
    policies.filter(
      (policy) =>
        policy.metadata.namespace === target.namespace &&
        targetRefsOf(policy).some(({ kind, name }) => isNamed(target, kind, name)),
    ),
  );
}

function isNamed(target: PolicyTarget, kind: string, name: string): boolean {
  if (kind === "Service") return name === target.service;
  if (kind === "Gateway") return name === target.gateway;
  return kind === "Function" && name === target.function;
}

function appliesTo(
  policy: AuthorizationPolicyObject,
  subject: PolicySubject,
  settings: RootSettings,
): boolean {
  if (targetRefsOf(policy).length > 0) return false;
  const { namespace } = policy.metadata;
  if (namespace !== subject.namespace && namespace !== settings.rootNamespace) return false;
  const wanted = Object.entries(policy.spec?.selector?.matchLabels ?? {});
  return wanted.every(([name, value]) => subject.labels[name] === value);
}

/** Policies that no proxy evaluates (AUDIT, CUSTOM) must have no key: a key nobody knows denies. */
function keysOf(policies: readonly AuthorizationPolicyObject[]): readonly string[] {
  return policies
    .filter(({ spec }) => ["ALLOW", "DENY"].includes(spec?.action ?? "ALLOW"))
    .map(({ metadata }) => `${metadata.namespace}/${metadata.name}`)
    .sort();
}

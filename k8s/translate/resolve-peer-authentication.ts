/** Which PeerAuthentications hold for a workload and what they come to, as Istio decides it for ambient: the workload's before its namespace's before the mesh's, the oldest first. */
import type { PeerAuthenticationObject, PeerMode } from "../model/peer-authentication.ts";

/** A workload as they select it. */
export interface PeerSubject {
  readonly namespace: string;
  readonly labels: Readonly<Record<string, string>>;
}

/** Those that may hold, sorted out once for a namespace. */
export interface PeerRules {
  readonly rootNamespace: string;
  /** Of the mesh, and of the namespace. */
  readonly mesh: PeerAuthenticationObject | undefined;
  readonly ofNamespace: PeerAuthenticationObject | undefined;
  /** With a selector, the oldest first. */
  readonly selecting: readonly PeerAuthenticationObject[];
}

/** What holds at a workload's ports. */
export interface PeerResolution {
  readonly isStrict: boolean;
  /** Ports where the opposite holds. */
  readonly exceptPorts: readonly number[];
  /** The one whose ports are excepted; undefined when none are. */
  readonly portsOf: PeerAuthenticationObject | undefined;
}

/** Sorts out those of a namespace and of the root's. */
export function sortPeerAuthentications(
  all: readonly PeerAuthenticationObject[],
  namespace: string,
  rootNamespace: string,
): PeerRules {
  const oldestFirst = all.toSorted(compareAge);
  const without = (home: string): PeerAuthenticationObject | undefined =>
    oldestFirst.find((each) => each.metadata.namespace === home && !hasLabels(each));
  return {
    rootNamespace,
    mesh: without(rootNamespace),
    ofNamespace: namespace === rootNamespace ? undefined : without(namespace),
    // The root's hold for the whole mesh, which a selector cannot say.
    selecting: oldestFirst.filter(
      (each) => hasLabels(each) && each.metadata.namespace === namespace && namespace !== rootNamespace,
    ),
  };
}

/** Resolves what holds for a workload of the namespace. */
export function resolvePeer(rules: PeerRules, { labels }: PeerSubject): PeerResolution {
  const own = rules.selecting.find((each) => selects(each, labels));
  return resolveOwn(rules, own);
}

/** Resolves what one with a selector comes to where it holds. */
export function resolveOwn(rules: PeerRules, own: PeerAuthenticationObject | undefined): PeerResolution {
  const isStrict = effectiveMode(rules, own) === "STRICT";
  const exceptPorts = Object.entries(own?.spec?.portLevelMtls ?? {})
    .filter(([, { mode = "UNSET" }]) => mode !== "UNSET" && (mode === "STRICT") !== isStrict)
    .map(([port]) => Number(port))
    .sort((a, b) => a - b);
  return { isStrict, exceptPorts, portsOf: exceptPorts.length > 0 ? own : undefined };
}

/** Whether it selects by labels. */
export function hasLabels({ spec }: PeerAuthenticationObject): boolean {
  return Object.keys(spec?.selector?.matchLabels ?? {}).length > 0;
}

function effectiveMode(
  { mesh, ofNamespace }: PeerRules,
  own: PeerAuthenticationObject | undefined,
): PeerMode | undefined {
  return [own, ofNamespace, mesh]
    .map((each) => each?.spec?.mtls?.mode)
    .find((mode) => mode !== undefined && mode !== "UNSET");
}

function selects({ spec }: PeerAuthenticationObject, labels: PeerSubject["labels"]): boolean {
  return Object.entries(spec?.selector?.matchLabels ?? {}).every(([name, value]) => labels[name] === value);
}

function compareAge(a: PeerAuthenticationObject, b: PeerAuthenticationObject): number {
  const at = a.metadata.creationTimestamp.localeCompare(b.metadata.creationTimestamp);
  return at === 0 ? a.metadata.name.localeCompare(b.metadata.name) : at;
}

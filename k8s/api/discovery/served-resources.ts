/** What an API serves, resource by resource, from its kinds, subresources and reviews; from which every form of discovery is written. */
import { findVersion, type KindDefinition } from "../kind.ts";
import { compareVersions } from "./version-order.ts";
import type { Verb } from "../request-path.ts";
import type { ReviewHandler, ShownKind, SubresourceHandler } from "../subresource.ts";

/** What there is to tell of. */
export interface Served {
  readonly kinds: readonly KindDefinition[];
  readonly subresources: readonly SubresourceHandler[];
  readonly reviews: readonly ReviewHandler[];
}

/** A subresource of a resource. */
export interface ServedSubresource {
  readonly name: string;
  readonly kind: ShownKind;
  readonly verbs: readonly string[];
}

/** A resource of one group and version. */
export interface ServedResource {
  readonly resource: string;
  readonly singular: string;
  readonly namespaced: boolean;
  readonly kind: string;
  /** Whether a definition made it: then patches know no lists that are merged by key. */
  readonly isCustom: boolean;
  readonly verbs: readonly string[];
  readonly shortNames: readonly string[];
  readonly categories: readonly string[];
  readonly subresources: readonly ServedSubresource[];
}

/** A group's name and its versions, preferred first. */
export interface ServedGroup {
  readonly name: string;
  readonly versions: readonly string[];
}

const verbs: readonly Verb[] = [
  "create",
  "delete",
  "deletecollection",
  "get",
  "list",
  "patch",
  "update",
  "watch",
];
const partVerbs = ["get", "patch", "update"];

/** The groups, the core group (an empty name) among them, each once. */
export function servedGroups(served: Served): readonly ServedGroup[] {
  const groups = new Map<string, Set<string>>();
  const note = (group: string, version: string): void => {
    const versions = groups.get(group) ?? new Set();
    groups.set(group, versions.add(version));
  };
  for (const { group, versions } of served.kinds) for (const { name } of versions) note(group, name);
  for (const { group, version } of served.reviews) note(group, version);
  return [...groups]
    .map(([name, versions]) => ({ name, versions: [...versions].sort(compareVersions) }))
    .sort((left, right) => compareGroups(left.name, right.name));
}

/** Kubernetes' own groups in its order; a short name that two groups have is taken from the first. */
const groupOrder: readonly string[] = [
  "",
  "apps",
  "authentication.k8s.io",
  "authorization.k8s.io",
  "batch",
  "rbac.authorization.k8s.io",
  "admissionregistration.k8s.io",
  "apiextensions.k8s.io",
  "coordination.k8s.io",
  "discovery.k8s.io",
];

function compareGroups(left: string, right: string): number {
  const [a, b] = [left, right].map((name) => groupOrder.indexOf(name) + 1 || groupOrder.length + 1);
  if (a !== b) return (a ?? 0) - (b ?? 0);
  return left < right ? -1 : 1;
}

/** The resources of one group and version. */
export function servedResources(served: Served, group: string, version: string): readonly ServedResource[] {
  const kinds = served.kinds
    .filter((kind) => kind.group === group && findVersion(kind, version) !== undefined)
    .map((kind) => resourceOf(served, kind, version));
  const reviews = served.reviews
    .filter((review) => review.group === group && review.version === version)
    .map(reviewOf);
  return [...kinds, ...reviews].sort((left, right) => (left.resource < right.resource ? -1 : 1));
}

function resourceOf(served: Served, kind: KindDefinition, version: string): ServedResource {
  const { resource, singular, namespaced, shortNames, categories } = kind;
  const own: ShownKind = { group: kind.group, version, kind: kind.kind };
  const subresources: ServedSubresource[] = served.subresources
    .filter((handler) => handler.group === kind.group && handler.resource === resource)
    .map((handler) => ({ name: handler.subresource, kind: handler.kind, verbs: handler.verbs }));
  if (kind.hasStatus) subresources.push({ name: "status", kind: own, verbs: partVerbs });
  if (kind.scale !== undefined && !subresources.some(({ name }) => name === "scale")) {
    const scale: ShownKind = { group: "autoscaling", version: "v1", kind: "Scale" };
    subresources.push({ name: "scale", kind: scale, verbs: partVerbs });
  }
  subresources.sort((left, right) => (left.name < right.name ? -1 : 1));
  return {
    resource,
    singular,
    namespaced,
    shortNames,
    categories,
    kind: kind.kind,
    isCustom: kind.isCustom,
    verbs: verbs.filter((verb) => kind.lacks?.includes(verb) !== true),
    subresources,
  };
}

function reviewOf({ resource, kind, namespaced }: ReviewHandler): ServedResource {
  return {
    resource,
    kind,
    namespaced,
    singular: kind.toLowerCase(),
    isCustom: false,
    verbs: ["create"],
    shortNames: [],
    categories: [],
    subresources: [],
  };
}

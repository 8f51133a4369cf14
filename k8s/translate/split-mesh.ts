/** A mesh by namespace: nothing that is translated of one namespace depends on another, but for the root's policies of both kinds. */
import type { MeshObjects } from "./mesh-objects.ts";

type Lists = Omit<MeshObjects, "settings">;

const kinds: readonly (keyof Lists)[] = [
  "namespaces",
  "functions",
  "revisions",
  "services",
  "serviceAccounts",
  "gateways",
  "routes",
  "policies",
  "peerAuthentications",
  "pods",
  "slices",
  "instances",
];
/** Of those, what more than Pods' own records depends on. */
const kindsButPods = kinds.filter((kind) => kind !== "pods");

/** The parts by namespace, each with its own objects and the root namespace's policies. */
export function splitByNamespace(objects: MeshObjects): ReadonlyMap<string, MeshObjects> {
  const parts = new Map<string, Record<keyof Lists, unknown[]>>();
  const partOf = (namespace: string): Record<keyof Lists, unknown[]> => {
    const known = parts.get(namespace) ?? emptyLists();
    parts.set(namespace, known);
    return known;
  };
  for (const kind of kinds)
    for (const object of objects[kind]) partOf(namespaceOf(object))[kind].push(object);
  const { settings } = objects;
  const root = parts.get(settings.rootNamespace) ?? emptyLists();
  return new Map(
    [...parts].map(([namespace, lists]) => {
      const isRoot = namespace === settings.rootNamespace;
      const withRoots = (kind: "policies" | "peerAuthentications"): unknown[] =>
        isRoot ? lists[kind] : [...lists[kind], ...root[kind]];
      const shared = {
        policies: withRoots("policies"),
        peerAuthentications: withRoots("peerAuthentications"),
      };
      // Sound: each list holds objects of its kind's list only.
      return [namespace, { ...(lists as unknown as Lists), settings, ...shared } as MeshObjects];
    }),
  );
}

/** Whether two parts hold the very same objects, Pods aside: watched objects are never changed in place. */
export function holdsSameButPods(a: MeshObjects, b: MeshObjects): boolean {
  return a.settings === b.settings && kindsButPods.every((kind) => isSameList(a[kind], b[kind]));
}

/** Whether two lists hold the very same objects in the same order. */
export function isSameList(a: readonly unknown[], b: readonly unknown[]): boolean {
  return a.length === b.length && a.every((object, index) => object === b[index]);
}

function namespaceOf(object: Lists[keyof Lists][number]): string {
  if (!("metadata" in object)) return object.namespace;
  return object.metadata.namespace ?? object.metadata.name;
}

function emptyLists(): Record<keyof Lists, unknown[]> {
  return {
    namespaces: [],
    functions: [],
    revisions: [],
    services: [],
    serviceAccounts: [],
    gateways: [],
    routes: [],
    policies: [],
    peerAuthentications: [],
    pods: [],
    slices: [],
    instances: [],
  };
}

/** A mesh by namespace: nothing that is translated of one namespace depends on another, but for the root's policies. */
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
  "instances",
];

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
  const rootPolicies = parts.get(settings.rootNamespace)?.policies ?? [];
  return new Map(
    [...parts].map(([namespace, lists]) => {
      const policies =
        namespace === settings.rootNamespace ? lists.policies : [...lists.policies, ...rootPolicies];
      // Sound: each list holds objects of its kind's list only.
      return [namespace, { ...(lists as unknown as Lists), settings, policies } as MeshObjects];
    }),
  );
}

/** Whether two parts hold the very same objects: watched objects are never changed in place. */
export function holdsSame(a: MeshObjects, b: MeshObjects): boolean {
  return a.settings === b.settings && kinds.every((kind) => isSameList(a[kind], b[kind]));
}

function isSameList(a: readonly unknown[], b: readonly unknown[]): boolean {
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
    instances: [],
  };
}

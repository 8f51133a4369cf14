/** What stored objects name, on which grants of programs depend: the Secrets of Revisions; ConfigMaps, Secrets and accounts of Pods. */
import { objectOr, textOr } from "../json.ts";
import { type ObjectStore, parseRow } from "../object-store.ts";
import type { WorkingObject } from "../working-object.ts";
import type { NamedByPods, ProgramFacts } from "./program-grants.ts";

const revisions = { group: "lambient.dev", resource: "revisions" } as const;
const pods = { group: "", resource: "pods" } as const;
const rowsAtOnce = 200;

/** The facts, looked up in the store when they are asked for. */
export function programFacts(store: () => ObjectStore): ProgramFacts {
  return {
    isSecretNamed: (namespace, secret) =>
      some(store(), { ...revisions, namespace }, (revision) =>
        Object.values(objectOr(objectOr(revision["spec"])["secrets"])).some(
          (reference) => objectOr(reference)["secret"] === secret,
        ),
      ),
    isPodBound(namespace, name) {
      const row = store().read({ ...pods, namespace, name });
      return row !== undefined && isBound(parseRow(row));
    },
    isNamedByPod: (namespace, resource, name) =>
      some(
        store(),
        { ...pods, namespace },
        (pod) => isBound(pod) && namesOf(pod["spec"], resource).has(name),
      ),
  };
}

function isBound(pod: WorkingObject): boolean {
  return textOr(objectOr(pod["spec"])["nodeName"]) !== "";
}

function some(
  store: ObjectStore,
  of: { readonly group: string; readonly resource: string; readonly namespace: string },
  isWanted: (object: WorkingObject) => boolean,
): boolean {
  let after = { namespace: of.namespace, name: "" };
  for (;;) {
    const rows = store.page(of, after, rowsAtOnce);
    if (rows.some((row) => isWanted(parseRow(row)))) return true;
    const last = rows.at(-1);
    if (last === undefined || rows.length < rowsAtOnce) return false;
    after = { namespace: of.namespace, name: last.name };
  }
}

/** Where a Pod names objects: the field that has the reference, and the field of it that has the name. */
const references: Readonly<
  Record<Exclude<NamedByPods, "serviceaccounts">, Readonly<Record<string, string>>>
> = {
  configmaps: { configMapKeyRef: "name", configMapRef: "name", configMap: "name" },
  secrets: { secretKeyRef: "name", secretRef: "name", secret: "secretName" },
};

function namesOf(spec: unknown, resource: NamedByPods): ReadonlySet<string> {
  if (resource === "serviceaccounts") {
    return new Set([textOr(objectOr(spec)["serviceAccountName"]) || "default"]);
  }
  const names = new Set<string>();
  collect(spec, references[resource], names);
  return names;
}

function collect(value: unknown, fields: Readonly<Record<string, string>>, names: Set<string>): void {
  if (typeof value !== "object" || value === null) return;
  for (const [key, inner] of Object.entries(value)) {
    const field = fields[key];
    if (field !== undefined) {
      const reference = objectOr(inner);
      // A Secret is named `secretName` as a volume, `name` within a projection.
      const name = textOr(reference[field]) || textOr(reference["name"]);
      if (name !== "") names.add(name);
    }
    collect(inner, fields, names);
  }
}

/** Where objects live in the API, found by asking it: a manifest names kinds, paths name resources. */
import { MeshError } from "#host/mesh-error.ts";
import { hintNearestName } from "../manifest/nearest-name.ts";
import type { MeshApi } from "./mesh-api.ts";

/** A kind as the API serves it. */
export interface ServedKind {
  readonly apiVersion: string;
  readonly kind: string;
  readonly resource: string;
  readonly namespaced: boolean;
}

/** Finds kinds, asking the API once for each group and version. */
export type FindKind = (apiVersion: string, kind: string) => Promise<ServedKind>;

/** A finder for one command. @throws MeshError `bad-input` for a kind that the API does not serve */
export function kindFinder(api: MeshApi): FindKind {
  const known = new Map<string, Promise<readonly ServedKind[]>>();
  return async (apiVersion, kind) => {
    const list = known.get(apiVersion) ?? discover(api, apiVersion);
    known.set(apiVersion, list);
    const kinds = await list;
    const found = kinds.find((served) => served.kind === kind);
    if (found !== undefined) return found;
    const hint = hintNearestName(
      kind,
      kinds.map((served) => served.kind),
    );
    const what = kinds.length === 0 ? `no API ${apiVersion}` : `no ${kind} in ${apiVersion}${hint}`;
    throw new MeshError(
      "bad-input",
      `Cannot find the kind ${kind} of ${apiVersion}: the mesh serves ${what}`,
    );
  };
}

/** The path of a kind's objects, or of one of them. */
export function resourcePath(kind: ServedKind, namespace: string | undefined, name?: string): string {
  const root = kind.apiVersion.includes("/") ? `/apis/${kind.apiVersion}` : `/api/${kind.apiVersion}`;
  const scope =
    kind.namespaced && namespace !== undefined ? `/namespaces/${encodeURIComponent(namespace)}` : "";
  return `${root}${scope}/${kind.resource}${name === undefined ? "" : `/${encodeURIComponent(name)}`}`;
}

/** The kinds that commands themselves ask for. */
export const functionKind: ServedKind = {
  apiVersion: "lambient.dev/v1alpha1",
  kind: "Function",
  resource: "functions",
  namespaced: true,
};
/** See {@link functionKind}. */
export const revisionKind: ServedKind = { ...functionKind, kind: "Revision", resource: "revisions" };
/** See {@link functionKind}. */
export const namespaceKind: ServedKind = {
  apiVersion: "v1",
  kind: "Namespace",
  resource: "namespaces",
  namespaced: false,
};

async function discover(api: MeshApi, apiVersion: string): Promise<readonly ServedKind[]> {
  const root = apiVersion.includes("/") ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
  try {
    const list = (await api.json({ path: root })) as {
      readonly resources: readonly {
        readonly name: string;
        readonly kind: string;
        readonly namespaced: boolean;
      }[];
    };
    return list.resources
      .filter(({ name }) => !name.includes("/"))
      .map(({ name, kind, namespaced }) => ({ apiVersion, kind, resource: name, namespaced }));
  } catch (error) {
    if (error instanceof MeshError && error.code === "not-found") return [];
    throw error;
  }
}

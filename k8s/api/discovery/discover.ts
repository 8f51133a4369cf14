/** Discovery as Kubernetes' clients have always asked for it: groups, then the resources of each version. */
import { apiVersionOf } from "#host/kube/object.ts";
import {
  type Served,
  type ServedGroup,
  servedGroups,
  type ServedResource,
  servedResources,
} from "./served-resources.ts";
import { serverVersion } from "./server-version.ts";

/** The answer to a discovery path, or undefined when nothing is there. */
export function discover(served: Served, path: string): unknown {
  if (path === "/") return { paths: rootPaths(served) };
  const [root, first, second, ...rest] = path.split("/").slice(1);
  if (rest.length > 0) return undefined;
  if (root === "version" && first === undefined) return serverVersion;
  if (root === "api" && second === undefined) {
    return first === undefined
      ? { kind: "APIVersions", versions: ["v1"], serverAddressByClientCIDRs: [] }
      : resourceList(served, "", first);
  }
  if (root !== "apis") return undefined;
  const groups = servedGroups(served).filter(({ name }) => name !== "");
  if (first === undefined) return { kind: "APIGroupList", apiVersion: "v1", groups: groups.map(groupOf) };
  if (second !== undefined) return resourceList(served, first, second);
  const group = groups.find(({ name }) => name === first);
  return group === undefined ? undefined : { kind: "APIGroup", apiVersion: "v1", ...groupOf(group) };
}

/** Where there is something to ask for besides objects. */
function rootPaths(served: Served): readonly string[] {
  const groups = servedGroups(served).filter(({ name }) => name !== "");
  const versions = groups.flatMap(({ name, versions: all }) => all.map((version) => `${name}/${version}`));
  const named = ["/api", "/api/v1", "/apis", "/openapi/v2", "/openapi/v3", "/version"];
  const health = ["/healthz", "/livez", "/readyz"].flatMap((path) => [path, `${path}/ping`]);
  const below = [...groups.map(({ name }) => name), ...versions].map((name) => `/apis/${name}`);
  return [...named, ...health, ...below].sort();
}

function groupOf({ name, versions }: ServedGroup): Record<string, unknown> {
  const entries = versions.map((version) => ({
    groupVersion: apiVersionOf({ group: name, version }),
    version,
  }));
  return { name, versions: entries, preferredVersion: entries[0] };
}

function resourceList(served: Served, group: string, version: string): unknown {
  const resources = servedResources(served, group, version);
  if (resources.length === 0) return undefined;
  return {
    kind: "APIResourceList",
    apiVersion: "v1",
    groupVersion: apiVersionOf({ group, version }),
    resources: resources.flatMap((resource) => entriesOf(resource, { group, version })),
  };
}

function entriesOf(
  served: ServedResource,
  at: { readonly group: string; readonly version: string },
): readonly Record<string, unknown>[] {
  const { resource, singular, namespaced, kind, verbs, shortNames, categories, subresources } = served;
  const main = {
    name: resource,
    singularName: singular,
    namespaced,
    kind,
    verbs,
    ...(shortNames.length === 0 ? {} : { shortNames }),
    ...(categories.length === 0 ? {} : { categories }),
  };
  const parts = subresources.map((part) => ({
    name: `${resource}/${part.name}`,
    singularName: "",
    namespaced,
    ...(part.kind.group === at.group && part.kind.version === at.version
      ? {}
      : { group: part.kind.group, version: part.kind.version }),
    kind: part.kind.kind,
    verbs: part.verbs,
  }));
  return [main, ...parts];
}

/** What the API serves, told the way Kubernetes' clients ask: groups, resources, version, health. */
import { apiVersionOf } from "#host/kube/object.ts";
import { findVersion, type KindDefinition } from "./kind.ts";

/** The release whose behaviour clients may expect. */
export const serverVersion = {
  major: "1",
  minor: "32",
  gitVersion: "v1.32.0+lambient",
  gitCommit: "",
  gitTreeState: "clean",
  buildDate: "1970-01-01T00:00:00Z",
  goVersion: "none",
  compiler: "bun",
  platform: "linux/amd64",
} as const;

const verbs = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];
const statusVerbs = ["get", "patch", "update"];

/** The answer to a discovery path, or undefined when nothing is there. */
export function discover(kinds: readonly KindDefinition[], path: string): unknown {
  const [root, group, version, ...rest] = path.split("/").slice(1);
  if (rest.length > 0) return undefined;
  if (root === "version" && group === undefined) return serverVersion;
  if (root === "api") return version === undefined ? coreDiscovery(kinds, group) : undefined;
  if (root !== "apis") return undefined;
  const named = kinds.filter((kind) => kind.group !== "");
  if (group === undefined) {
    const groups = [...new Set(named.map((kind) => kind.group))].map((name) => groupOf(named, name));
    return { kind: "APIGroupList", apiVersion: "v1", groups };
  }
  const ofGroup = named.filter((kind) => kind.group === group);
  if (ofGroup.length === 0) return undefined;
  if (version === undefined) return { kind: "APIGroup", apiVersion: "v1", ...groupOf(named, group) };
  return resourceList(ofGroup, group, version);
}

function coreDiscovery(kinds: readonly KindDefinition[], version: string | undefined): unknown {
  if (version === undefined) {
    return { kind: "APIVersions", versions: ["v1"], serverAddressByClientCIDRs: [] };
  }
  const core = kinds.filter((kind) => kind.group === "");
  return resourceList(core, "", version);
}

function groupOf(kinds: readonly KindDefinition[], name: string): Record<string, unknown> {
  const versions = new Set(
    kinds.filter((kind) => kind.group === name).flatMap((kind) => kind.versions.map((each) => each.name)),
  );
  const entries = [...versions].map((version) => ({
    groupVersion: apiVersionOf({ group: name, version }),
    version,
  }));
  return { name, versions: entries, preferredVersion: entries[0] };
}

function resourceList(kinds: readonly KindDefinition[], group: string, version: string): unknown {
  const served = kinds.filter((kind) => findVersion(kind, version) !== undefined);
  if (served.length === 0) return undefined;
  return {
    kind: "APIResourceList",
    apiVersion: "v1",
    groupVersion: apiVersionOf({ group, version }),
    resources: served.flatMap(resourcesOf),
  };
}

function resourcesOf(kind: KindDefinition): readonly Record<string, unknown>[] {
  const shared = { singularName: kind.singular, namespaced: kind.namespaced, kind: kind.kind };
  const main = {
    name: kind.resource,
    ...shared,
    verbs,
    ...(kind.shortNames.length === 0 ? {} : { shortNames: kind.shortNames }),
    ...(kind.categories.length === 0 ? {} : { categories: kind.categories }),
  };
  if (!kind.hasStatus) return [main];
  return [main, { ...shared, name: `${kind.resource}/status`, singularName: "", verbs: statusVerbs }];
}

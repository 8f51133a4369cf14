/** Discovery in one answer (apidiscovery.k8s.io): every group with its versions and their resources. */
import {
  type Served,
  type ServedGroup,
  servedGroups,
  type ServedResource,
  servedResources,
} from "./served-resources.ts";
import type { ShownKind } from "../subresource.ts";

/** Versions of the answer's own type. */
export type AggregatedVersion = "v2" | "v2beta1";

/** Which version of it a client asks for first; undefined: it asks for the older form. */
export function askedVersion(accept: string): AggregatedVersion | undefined {
  for (const part of accept.split(",")) {
    const parameters = new Set(part.split(";").map((parameter) => parameter.trim()));
    if (!parameters.has("g=apidiscovery.k8s.io") || !parameters.has("as=APIGroupDiscoveryList")) continue;
    if (parameters.has("v=v2")) return "v2";
    if (parameters.has("v=v2beta1")) return "v2beta1";
  }
  return undefined;
}

/** Media type of the answer. */
export function aggregatedType(version: AggregatedVersion): string {
  return `application/json;g=apidiscovery.k8s.io;v=${version};as=APIGroupDiscoveryList`;
}

/** The answer at `/api` or `/apis`. */
export function aggregated(served: Served, root: "api" | "apis", version: AggregatedVersion): unknown {
  const groups = servedGroups(served).filter(({ name }) => (name === "") === (root === "api"));
  return {
    kind: "APIGroupDiscoveryList",
    apiVersion: `apidiscovery.k8s.io/${version}`,
    metadata: {},
    items: groups.map((group) => groupEntry(served, group)),
  };
}

function groupEntry(served: Served, { name, versions }: ServedGroup): unknown {
  return {
    metadata: name === "" ? {} : { name },
    versions: versions.map((version) => ({
      version,
      resources: servedResources(served, name, version).map((resource) =>
        resourceEntry(resource, { group: name, version }),
      ),
      freshness: "Current",
    })),
  };
}

function resourceEntry(
  resource: ServedResource,
  at: { readonly group: string; readonly version: string },
): unknown {
  const { shortNames, categories, subresources } = resource;
  return {
    resource: resource.resource,
    responseKind: { group: "", version: "", kind: resource.kind },
    scope: resource.namespaced ? "Namespaced" : "Cluster",
    singularResource: resource.singular,
    verbs: resource.verbs,
    ...(shortNames.length === 0 ? {} : { shortNames }),
    ...(categories.length === 0 ? {} : { categories }),
    ...(subresources.length === 0
      ? {}
      : {
          subresources: subresources.map(({ name, kind, verbs }) => ({
            subresource: name,
            responseKind: shownKind(kind, at),
            verbs,
          })),
        }),
  };
}

/** A kind of the resource's own group and version is written without them. */
function shownKind(kind: ShownKind, at: { readonly group: string; readonly version: string }): ShownKind {
  const isOwn = kind.group === at.group && kind.version === at.version;
  return isOwn ? { group: "", version: "", kind: kind.kind } : kind;
}

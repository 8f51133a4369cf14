/** Where objects are found over HTTP: paths and queries of the Kubernetes API. */
import type { DeleteOptions, ListOptions, Patch } from "./kube-client.ts";
import type { ResourceType } from "./object.ts";

/** `/api/v1/namespaces/shop/services/web/status`, as far as it is given. */
export function resourcePath(
  type: ResourceType,
  at: { readonly namespace?: string | undefined; readonly name?: string; readonly subresource?: string },
): string {
  const root = type.group === "" ? "/api" : `/apis/${encodeURIComponent(type.group)}`;
  const parts = [
    ...(type.namespaced && at.namespace !== undefined ? ["namespaces", at.namespace] : []),
    type.resource,
    ...(at.name === undefined ? [] : [at.name]),
    ...(at.subresource === undefined ? [] : [at.subresource]),
  ];
  return `${root}/${encodeURIComponent(type.version)}/${parts.map((part) => encodeURIComponent(part)).join("/")}`;
}

/** Query of a list or a watch. */
export function listParameters(options: ListOptions): URLSearchParams {
  const query = new URLSearchParams();
  if (options.labelSelector !== undefined) query.set("labelSelector", options.labelSelector);
  if (options.fieldSelector !== undefined) query.set("fieldSelector", options.fieldSelector);
  if (options.limit !== undefined) query.set("limit", String(options.limit));
  if (options.continue !== undefined) query.set("continue", options.continue);
  return query;
}

/** Media type of a patch. */
export function patchMediaType(patch: Patch): string {
  switch (patch.kind) {
    case "merge":
      return "application/merge-patch+json";
    case "json":
      return "application/json-patch+json";
    case "strategic":
      return "application/strategic-merge-patch+json";
  }
}

/** Body of a deletion. */
export function deleteBody(options: DeleteOptions): object {
  const { propagationPolicy, gracePeriodSeconds, uid, resourceVersion } = options;
  const preconditions = {
    ...(uid === undefined ? {} : { uid }),
    ...(resourceVersion === undefined ? {} : { resourceVersion }),
  };
  return {
    apiVersion: "v1",
    kind: "DeleteOptions",
    ...(propagationPolicy === undefined ? {} : { propagationPolicy }),
    ...(gracePeriodSeconds === undefined ? {} : { gracePeriodSeconds }),
    ...(Object.keys(preconditions).length === 0 ? {} : { preconditions }),
  };
}

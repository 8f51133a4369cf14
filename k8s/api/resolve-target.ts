/** From a request's group, version and resource to the kind that is served there. */
import { findVersion } from "./kind.ts";
import type { KindRegistry } from "./kind-registry.ts";
import { forbidden, methodNotAllowed, noSuchPath } from "./refusal.ts";
import type { Verb } from "./request-path.ts";
import type { Target } from "./write-context.ts";

/** What a request names. */
export interface Named {
  readonly verb: Verb;
  readonly group: string;
  readonly version: string;
  readonly resource: string;
  /** Empty: none, or all of them. */
  readonly namespace: string;
}

/** Verbs that need to know the namespace of a namespaced kind. */
const verbsInOneNamespace: readonly Verb[] = [
  "create",
  "get",
  "update",
  "patch",
  "delete",
  "deletecollection",
];

/** @throws KubeError 404 when it is not served, 405 when the verb is not there, 403 when it is going. */
export function resolveTarget(registry: KindRegistry, named: Named): Target {
  const kind = registry.find(named.group, named.resource);
  if (kind === undefined || findVersion(kind, named.version) === undefined) throw noSuchPath();
  if (named.namespace !== "" && !kind.namespaced) throw noSuchPath();
  if (kind.namespaced && named.namespace === "" && verbsInOneNamespace.includes(named.verb)) {
    throw methodNotAllowed(kind);
  }
  if (kind.lacks?.includes(named.verb) === true) throw methodNotAllowed(kind);
  if (named.verb === "create" && registry.isTerminating(kind)) {
    throw forbidden(kind, "", "create not allowed while custom resource definition is terminating");
  }
  return { kind, version: named.version, namespace: named.namespace };
}

/** What the mesh's own programs may do: a short built-in table, apart from all roles. What it does not grant is refused. */
import type { User } from "../api.ts";
import type { Attempt, ResourceAttempt } from "./attempt.ts";

/** Facts outside the request that a grant depends on. */
export interface ProgramFacts {
  /** Whether a Revision of the namespace names the Secret. */
  isSecretNamed(namespace: string, secret: string): boolean;
  /** Whether the Pod exists and has a node. */
  isPodBound(namespace: string, pod: string): boolean;
  /** Whether a Pod of the namespace that has a node names the ConfigMap, Secret or ServiceAccount. */
  isNamedByPod(namespace: string, resource: NamedByPods, name: string): boolean;
}

/** What a node reads only because a Pod names it. */
export type NamedByPods = "configmaps" | "secrets" | "serviceaccounts";

const programPrefix = "system:lambient:";
/** The functions' daemon. */
export const nodeRuntimeUser = "system:lambient:node-runtime";
/** The Pods' daemon: kubelet and enrolment. */
export const nodeUser = "system:lambient:node";

/** Whether a user is a program of the mesh: no role grants it anything. */
export function isProgram(user: User): boolean {
  return user.name.startsWith(programPrefix);
}

/** Whether a program may. */
export function programMay(name: string, attempt: Attempt, facts: ProgramFacts): boolean {
  if (name !== nodeRuntimeUser && name !== nodeUser) return false;
  if (attempt.kind === "path") return attempt.verb === "get" && discoveryPath.test(attempt.path);
  return name === nodeUser ? nodeMay(attempt, facts) : nodeRuntimeMay(attempt, facts);
}

const discoveryPath = /^\/(?:version|apis?(?:\/.*)?|openapi(?:\/.*)?)$/;
const readVerbs: readonly string[] = ["get", "list", "watch"];

const nodeRuntimeReads = new Set([
  "revisions.lambient.dev",
  "functions.lambient.dev",
  "gateways.gateway.networking.k8s.io",
]);

function nodeRuntimeMay(attempt: ResourceAttempt, facts: ProgramFacts): boolean {
  const resource = `${attempt.resource}.${attempt.group}`;
  if (nodeRuntimeReads.has(resource) && isRead(attempt)) return true;
  if (resource === "revisions.lambient.dev" && attempt.subresource === "status") {
    return attempt.verb === "patch" || attempt.verb === "update";
  }
  // One Secret at a time, and only one that a Revision names: never a namespace's secrets as a list.
  return (
    resource === "secrets." && isReadOfOne(attempt) && facts.isSecretNamed(attempt.namespace, attempt.name)
  );
}

const nodeReads = new Set([
  "pods.",
  "nodes.",
  "services.",
  "namespaces.",
  "endpointslices.discovery.k8s.io",
  "authorizationpolicies.security.istio.io",
  "peerauthentications.security.istio.io",
]);

/** Namespace of the leases by which nodes show that they live. */
const leaseNamespace = "kube-node-lease";

/** What else a node does: the verbs, and what must hold besides. */
const nodeWrites: Readonly<Record<string, NodeWrite>> = {
  "pods./status": { verbs: ["get", "patch", "update"], holds: isOfBoundPod },
  // What ended is removed by who ran it.
  "pods.": { verbs: ["delete"], holds: isOfBoundPod },
  "nodes.": { verbs: ["create", "patch", "update"] },
  "nodes./status": { verbs: ["get", "patch", "update"] },
  "leases.coordination.k8s.io": {
    verbs: ["get", "create", "patch", "update"],
    holds: ({ namespace }) => namespace === leaseNamespace,
  },
  "events.": { verbs: ["create", "patch", "update"] },
  "events.events.k8s.io": { verbs: ["create", "patch", "update"] },
  "configmaps.": { verbs: readVerbs, holds: isReadOfNamed },
  "secrets.": { verbs: readVerbs, holds: isReadOfNamed },
  "serviceaccounts./token": { verbs: ["create"], holds: isNamed },
};

interface NodeWrite {
  readonly verbs: readonly string[];
  readonly holds?: (attempt: ResourceAttempt, facts: ProgramFacts) => boolean;
}

function nodeMay(attempt: ResourceAttempt, facts: ProgramFacts): boolean {
  const { verb, resource, group, subresource } = attempt;
  if (nodeReads.has(`${resource}.${group}`) && isRead(attempt)) return true;
  const what = subresource === "" ? `${resource}.${group}` : `${resource}.${group}/${subresource}`;
  const write = Object.hasOwn(nodeWrites, what) ? nodeWrites[what] : undefined;
  return write?.verbs.includes(verb) === true && write.holds?.(attempt, facts) !== false;
}

function isOfBoundPod({ namespace, name }: ResourceAttempt, facts: ProgramFacts): boolean {
  return facts.isPodBound(namespace, name);
}

function isReadOfNamed(attempt: ResourceAttempt, facts: ProgramFacts): boolean {
  return isReadOfOne(attempt) && isNamed(attempt, facts);
}

function isNamed({ namespace, resource, name }: ResourceAttempt, facts: ProgramFacts): boolean {
  // Sound: the table above asks it of these resources only.
  return facts.isNamedByPod(namespace, resource as NamedByPods, name);
}

function isRead({ verb, subresource }: ResourceAttempt): boolean {
  return readVerbs.includes(verb) && subresource === "";
}

/** One at a time: never a namespace's as a list. */
function isReadOfOne(attempt: ResourceAttempt): boolean {
  return isRead(attempt) && attempt.namespace !== "" && attempt.name !== "";
}

/** Who may do what: a short built-in table. What it does not grant is refused. */
import type { User } from "./api.ts";
import type { Verb } from "./request-path.ts";

/** What is asked for. */
export interface Attempt {
  readonly verb: Verb;
  readonly group: string;
  readonly resource: string;
  readonly subresource: string;
  /** Empty: all of them, or none. */
  readonly namespace: string;
  /** Empty: no one object. */
  readonly name: string;
}

/** Facts outside the request that a grant depends on. */
export interface AuthorizationFacts {
  /** Whether a Revision of the namespace names the Secret. */
  isSecretNamed(namespace: string, secret: string): boolean;
}

/** May do everything. */
export const mastersGroup = "system:masters";

const masters = new Set([
  mastersGroup,
  "admin",
  "system:lambient:admin",
  "system:lambient:control-plane",
  "system:lambient:supervisor",
]);

/** The node's daemon. */
export const nodeRuntimeUser = "system:lambient:node-runtime";

const readVerbs: readonly Verb[] = ["get", "list", "watch"];
const nodeRuntimeReads = new Set([
  "revisions.lambient.dev",
  "functions.lambient.dev",
  "gateways.gateway.networking.k8s.io",
]);

/** Whether a user may do what it attempts. */
export function authorize(user: User, attempt: Attempt, facts: AuthorizationFacts): boolean {
  const principals = [user.name, ...user.groups];
  if (principals.some((principal) => masters.has(principal))) return true;
  return principals.includes(nodeRuntimeUser) && nodeRuntimeMay(attempt, facts);
}

/** Whether a user may ask what the API serves: whoever may do anything at all. */
export function mayDiscover(user: User): boolean {
  return [user.name, ...user.groups].some(
    (principal) => masters.has(principal) || principal === nodeRuntimeUser,
  );
}

function nodeRuntimeMay(attempt: Attempt, facts: AuthorizationFacts): boolean {
  const resource = `${attempt.resource}.${attempt.group}`;
  const isRead = readVerbs.includes(attempt.verb) && attempt.subresource === "";
  if (nodeRuntimeReads.has(resource) && isRead) return true;
  if (resource === "revisions.lambient.dev" && attempt.subresource === "status") {
    return attempt.verb === "patch" || attempt.verb === "update";
  }
  // One Secret at a time, and only one that a Revision names: never a namespace's secrets as a list.
  return (
    resource === "secrets." &&
    isRead &&
    attempt.namespace !== "" &&
    attempt.name !== "" &&
    facts.isSecretNamed(attempt.namespace, attempt.name)
  );
}

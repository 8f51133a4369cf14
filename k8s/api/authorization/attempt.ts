/** What a user attempts, as far as it matters for whether it may: a verb on a resource, or on a path that is none. */

/** Something to do with objects. */
export interface ResourceAttempt {
  readonly kind: "resource";
  /** Verbs of requests, and others that only roles know: `bind`, `escalate`, `impersonate`. */
  readonly verb: string;
  readonly group: string;
  readonly resource: string;
  readonly subresource: string;
  /** Empty: all of them, or none. */
  readonly namespace: string;
  /** Empty: no one object. */
  readonly name: string;
}

/** Something to do with a path: discovery, health. */
export interface PathAttempt {
  readonly kind: "path";
  /** The method in small letters. */
  readonly verb: string;
  readonly path: string;
}

/** What is attempted. */
export type Attempt = ResourceAttempt | PathAttempt;

/** Whether it may be done, and by whose leave. */
export interface Decision {
  readonly isAllowed: boolean;
  /** Empty when there is nothing to say. */
  readonly reason: string;
}

/** `pods/status`, as rules and messages name a resource. */
export function resourceText({ resource, subresource }: ResourceAttempt): string {
  return subresource === "" ? resource : `${resource}/${subresource}`;
}

/** `User "u" cannot list resource "pods" in API group "" in the namespace "n"`. */
export function deniedText(userName: string, attempt: ResourceAttempt): string {
  const { verb, group, namespace } = attempt;
  const where = namespace === "" ? "at the cluster scope" : `in the namespace "${namespace}"`;
  return `User ${JSON.stringify(userName)} cannot ${verb} resource "${resourceText(attempt)}" in API group "${group}" ${where}`;
}

/** The names by which service accounts are users, and their groups. */

const prefix = "system:serviceaccount:";

/** A service account. */
export interface AccountName {
  readonly namespace: string;
  readonly name: string;
}

/** `system:serviceaccount:<namespace>:<name>`. */
export function userNameOfAccount({ namespace, name }: AccountName): string {
  return `${prefix}${namespace}:${name}`;
}

/** The account that a user is; undefined for any other user. */
export function accountOf(userName: string): AccountName | undefined {
  if (!userName.startsWith(prefix)) return undefined;
  const [namespace = "", name = "", ...rest] = userName.slice(prefix.length).split(":");
  return namespace === "" || name === "" || rest.length > 0 ? undefined : { namespace, name };
}

/** The groups of a namespace's accounts. */
export function groupsOfAccount(namespace: string): readonly string[] {
  return ["system:serviceaccounts", `system:serviceaccounts:${namespace}`];
}

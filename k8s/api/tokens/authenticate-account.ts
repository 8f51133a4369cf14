/** From a service account's token to the user it speaks for, as long as account and bound object are there. */
import type { User } from "../api.ts";
import { groupsOfAccount, userNameOfAccount } from "../authorization/service-account-name.ts";
import { type ObjectStore, parseRow } from "../object-store.ts";
import { type AccountToken, type AccountTokens, accountIssuer, type NamedObject } from "./account-tokens.ts";

/** Who asks, and for whom the token is; or why it speaks for nobody. */
export type Authentication =
  | { readonly user: User; readonly audiences: readonly string[] }
  | { readonly reason: string | undefined };

/** A Pod that is being deleted still ends its work. */
const leewayMs = 60_000;

/** Longest token that is looked at. */
const tokenLengthMax = 16 * 1024;

/** What it takes to know accounts. */
export interface AccountSource {
  readonly tokens: AccountTokens;
  readonly store: ObjectStore;
  readonly nowMs: () => number;
}

/** Authenticates. @param wanted For whom the token must be, one of them at least; default this API. */
export async function authenticateAccount(
  source: AccountSource,
  token: string,
  wanted: readonly string[] = [accountIssuer],
): Promise<Authentication> {
  if (token.length > tokenLengthMax) return { reason: undefined };
  const read = await source.tokens.read(token, source.nowMs());
  if (!("account" in read)) return read;
  const audiences = wanted.filter((audience) => read.audiences.includes(audience));
  if (audiences.length === 0) {
    const [has, target] = [read.audiences, wanted].map((list) =>
      list.map((audience) => JSON.stringify(audience)).join(" "),
    );
    return { reason: `token audiences [${has}] is invalid for the target audiences [${target}]` };
  }
  if (!isStillThere(source, read)) return { reason: "service account token has been invalidated" };
  return { user: userOf(read), audiences };
}

function isStillThere(source: AccountSource, token: AccountToken): boolean {
  const { namespace, account, pod, secret, node } = token;
  return (
    exists(source, { resource: "serviceaccounts", namespace }, account) &&
    (pod === undefined || exists(source, { resource: "pods", namespace }, pod)) &&
    (secret === undefined || exists(source, { resource: "secrets", namespace }, secret)) &&
    // With a Pod the node is only told, as the Pod's own end is what counts.
    (node === undefined || pod !== undefined || exists(source, { resource: "nodes", namespace: "" }, node))
  );
}

function exists(
  { store, nowMs }: AccountSource,
  at: { readonly resource: string; readonly namespace: string },
  { name, uid }: NamedObject,
): boolean {
  const row = store.read({ group: "", ...at, name });
  if (row === undefined || row.uid !== uid) return false;
  const { deletionTimestamp } = parseRow(row).metadata;
  return deletionTimestamp === undefined || nowMs() < Date.parse(deletionTimestamp) + leewayMs;
}

function userOf({ namespace, account, id, pod, node }: AccountToken): User {
  const prefix = "authentication.kubernetes.io/";
  return {
    name: userNameOfAccount({ namespace, name: account.name }),
    uid: account.uid,
    groups: [...groupsOfAccount(namespace), "system:authenticated"],
    extra: {
      [`${prefix}credential-id`]: [`JTI=${id}`],
      ...(node === undefined
        ? {}
        : { [`${prefix}node-name`]: [node.name], [`${prefix}node-uid`]: [node.uid] }),
      ...(pod === undefined ? {} : { [`${prefix}pod-name`]: [pod.name], [`${prefix}pod-uid`]: [pod.uid] }),
    },
  };
}

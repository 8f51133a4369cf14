/** Acting as somebody else by `Impersonate-*` headers: whom a request asks to be, and whether its user may be them. */
import type { User } from "../api.ts";
import { badRequest } from "../refusal.ts";
import type { Attempt, ResourceAttempt } from "./attempt.ts";
import type { Authorizer } from "./authorizer.ts";
import { checkMay } from "./check-may.ts";
import { accountOf, groupsOfAccount } from "./service-account-name.ts";

const extraPrefix = "impersonate-extra-";
const authenticationGroup = "authentication.k8s.io";
/** Values of all headers together; more is no request anybody meant. */
const valuesMax = 256;

/** Whom the headers name. */
interface Wish {
  readonly name: string;
  readonly uid: string;
  readonly groups: readonly string[];
  readonly extra: ReadonlyMap<string, readonly string[]>;
}

/**
 * The user that a request is to be judged as: its own, or the one that it asks to be.
 * @param attempt What the request does.
 * @throws KubeError 403 when its user may not be that one, 400 when it names nobody.
 */
export function impersonate(authorizer: Authorizer, user: User, request: Request, attempt: Attempt): User {
  const wish = wishOf(request.headers);
  if (wish === undefined) return user;
  const parts = partsOf(wish);
  if (!parts.every((one) => authorizer.may(user, one))) checkConstrained(authorizer, user, wish, attempt);
  return userOf(wish);
}

function wishOf(headers: Headers): Wish | undefined {
  const name = headers.get("impersonate-user") ?? "";
  const uid = headers.get("impersonate-uid") ?? "";
  const groups = listOf(headers.get("impersonate-group"));
  const extra = new Map<string, readonly string[]>();
  headers.forEach((value, header) => {
    if (header.startsWith(extraPrefix)) extra.set(keyOf(header.slice(extraPrefix.length)), listOf(value));
  });
  const isAsked = name !== "" || uid !== "" || groups.length > 0 || extra.size > 0;
  if (!isAsked) return undefined;
  if (name === "") {
    throw badRequest("requested groups, uid or extra values without impersonating a user name");
  }
  if (groups.length + [...extra.values()].flat().length > valuesMax) {
    throw badRequest(`more than ${valuesMax} values of impersonation headers`);
  }
  return { name, uid, groups, extra };
}

/** Several headers of one name arrive as one, joined by commas. */
function listOf(value: string | null): readonly string[] {
  return (value ?? "")
    .split(",")
    .map((one) => one.trim())
    .filter((one) => one !== "");
}

function keyOf(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    // Kubernetes as well takes what is no percent-encoding as it is.
    return text;
  }
}

/** All that must be allowed by the verb `impersonate`. */
function partsOf(wish: Wish): readonly ResourceAttempt[] {
  const account = accountOf(wish.name);
  return [
    account === undefined
      ? part("", "users", wish.name)
      : { ...part("", "serviceaccounts", account.name), namespace: account.namespace },
    ...(wish.uid === "" ? [] : [part(authenticationGroup, "uids", wish.uid)]),
    ...wish.groups.map((group) => part("", "groups", group)),
    ...[...wish.extra].flatMap(([subresource, values]) =>
      values.map((value) => ({ ...part(authenticationGroup, "userextras", value), subresource })),
    ),
  ];
}

function part(group: string, resource: string, name: string): ResourceAttempt {
  return { kind: "resource", verb: "impersonate", group, resource, name, namespace: "", subresource: "" };
}

/** The narrower grants: `impersonate-on:<mode>:<verb>` on what is asked for, and `impersonate:<mode>` on whom. */
function checkConstrained(authorizer: Authorizer, user: User, wish: Wish, attempt: Attempt): void {
  const mode = accountOf(wish.name) === undefined ? "user-info" : "serviceaccount";
  const on: Attempt = { ...attempt, verb: `impersonate-on:${mode}:${attempt.verb}` };
  const whom = partsOf(wish).map((one) => ({
    ...one,
    verb: `impersonate:${mode}`,
    group: authenticationGroup,
  }));
  for (const one of [on, ...whom]) checkMay(authorizer, user, one);
}

const authenticated = "system:authenticated";

function userOf({ name, uid, groups, extra }: Wish): User {
  const account = accountOf(name);
  const own = groups.length === 0 && account !== undefined ? groupsOfAccount(account.namespace) : groups;
  const all = own.includes(authenticated) || name === "system:anonymous" ? own : [...own, authenticated];
  return {
    name,
    groups: all,
    ...(uid === "" ? {} : { uid }),
    ...(extra.size === 0 ? {} : { extra: Object.fromEntries(extra) }),
  };
}

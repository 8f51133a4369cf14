/** Nobody gives more than they have: whether a user may write a role or a binding with these rules. */
import type { User } from "../api.ts";
import { jsonEqual, isJsonObject } from "../json.ts";
import { forbidden, notFound } from "../refusal.ts";
import type { WorkingObject } from "../working-object.ts";
import type { WriteChange } from "../write-context.ts";
import type { ResourceAttempt } from "./attempt.ts";
import { type Authorizer, mastersGroup } from "./authorizer.ts";
import { parseRules, type PolicyRule, rulesText, uncoveredRules } from "./policy-rule.ts";
import { rbacGroup, roleRefOf } from "./role-index.ts";

/** What the controller that aggregates may, and who uses an aggregation must. */
const everything: readonly PolicyRule[] = parseRules([
  { verbs: ["*"], apiGroups: ["*"], resources: ["*"] },
  { verbs: ["*"], nonResourceURLs: ["*"] },
]);

/** Refuses a write by which a user would grant more than it holds. @throws KubeError 403, or 404 without the role. */
export function checkEscalation(authorizer: Authorizer, user: User, change: WriteChange): void {
  const { kind } = change.target;
  if (kind.group !== rbacGroup || user.groups.includes(mastersGroup)) return;
  if (kind.resource === "roles" || kind.resource === "clusterroles") checkRole(authorizer, user, change);
  else checkBinding(authorizer, user, change);
}

function checkRole(authorizer: Authorizer, user: User, { target, object, old }: WriteChange): void {
  const isSame =
    old !== undefined &&
    jsonEqual(object["rules"], old["rules"]) &&
    jsonEqual(object["aggregationRule"], old["aggregationRule"]);
  if (isSame) return;
  const { resource } = target.kind;
  const { name, namespace } = { namespace: target.namespace, name: object.metadata.name };
  if (authorizer.may(user, roleAttempt("escalate", resource, { namespace, name }))) return;
  const held = rulesHeld(authorizer, user, namespace);
  if (isJsonObject(object["aggregationRule"]) && uncoveredRules(held, everything).length > 0) {
    throw forbidden(target.kind, name, "must have cluster-admin privileges to use the aggregationRule");
  }
  checkCovered({ user, held, wanted: parseRules(object["rules"]), change: { target, object, old } });
}

function checkBinding(authorizer: Authorizer, user: User, change: WriteChange): void {
  const { target, object, old } = change;
  if (old !== undefined && jsonEqual(grantOf(object), grantOf(old))) return;
  const { namespace } = target;
  const role = roleRefOf(object, namespace);
  const resource = role.namespace === "" ? "clusterroles" : "roles";
  if (authorizer.may(user, roleAttempt("bind", resource, { namespace, name: role.name }))) return;
  const wanted = authorizer.roles.rulesOf(role);
  if (wanted === undefined) throw notFound(target.kind, role.name);
  checkCovered({ user, held: rulesHeld(authorizer, user, namespace), wanted, change });
}

function grantOf(binding: WorkingObject): unknown {
  return [binding["roleRef"], binding["subjects"]];
}

function checkCovered(given: {
  readonly user: User;
  readonly held: readonly PolicyRule[];
  readonly wanted: readonly PolicyRule[];
  readonly change: WriteChange;
}): void {
  const { user, held, wanted, change } = given;
  const missing = uncoveredRules(held, wanted);
  if (missing.length === 0) return;
  const groups = user.groups.map((group) => JSON.stringify(group)).join(" ");
  const why = `user ${JSON.stringify(user.name)} (groups=[${groups}]) is attempting to grant RBAC permissions not currently held:\n${rulesText(missing)}`;
  throw forbidden(change.target.kind, change.object.metadata.name, why);
}

function rulesHeld(authorizer: Authorizer, user: User, namespace: string): readonly PolicyRule[] {
  return [...authorizer.roles.rulesFor(user, namespace)].map(({ rule }) => rule);
}

function roleAttempt(
  verb: string,
  resource: string,
  at: { readonly namespace: string; readonly name: string },
): ResourceAttempt {
  return { kind: "resource", verb, group: rbacGroup, resource, subresource: "", ...at };
}

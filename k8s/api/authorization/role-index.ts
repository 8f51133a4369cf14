/** Roles and bindings as they are stored now, found by whom they are for. Kept up with every commit; decides nothing. */
import type { User } from "../api.ts";
import { arrayOr, objectOr, textOr } from "../json.ts";
import type { Change } from "../change.ts";
import { parseRow } from "../object-store.ts";
import { parseRules, type PolicyRule } from "./policy-rule.ts";

/** The group of Roles and bindings. */
export const rbacGroup = "rbac.authorization.k8s.io";

/** Which role: a ClusterRole has no namespace. */
export interface RoleRef {
  readonly namespace: string;
  readonly name: string;
}

/** A rule that somebody has, and by whose leave. */
export interface HeldRule {
  readonly rule: PolicyRule;
  readonly reason: string;
}

/** What of a change the index needs. */
export type RoleChange = Pick<Change, "group" | "resource" | "namespace" | "name" | "type" | "text">;

interface Binding {
  readonly namespace: string;
  readonly name: string;
  readonly role: RoleRef;
  /** Whom it is for, by key, as a reason names them. */
  readonly subjects: ReadonlyMap<string, string>;
}

/** Finds the rules that a user has. */
export class RoleIndex {
  readonly #roles = new Map<string, readonly PolicyRule[]>();
  readonly #bindings = new Map<string, Binding>();
  /** The keys of bindings by whom they are for. */
  readonly #bySubject = new Map<string, Set<string>>();

  /** Takes in a committed change of any object. */
  observe(change: RoleChange): void {
    if (change.group !== rbacGroup) return;
    if (change.resource === "roles" || change.resource === "clusterroles") this.#observeRole(change);
    else this.#observeBinding(change);
  }

  /** The rules of a role; undefined when it does not exist. */
  rulesOf(role: RoleRef): readonly PolicyRule[] | undefined {
    return this.#roles.get(keyOf(role));
  }

  /** The rules that a user has in a namespace, those of the whole cluster first. */
  *rulesFor(user: User, namespace: string): Generator<HeldRule, void> {
    const places = namespace === "" ? [""] : ["", namespace];
    for (const place of places) {
      for (const [binding, subject] of this.#bindingsOf(user, place)) {
        const { role } = binding;
        const reason = `RBAC: allowed by ${bindingText(binding)} of ${roleText(role)} to ${subject}`;
        for (const rule of this.rulesOf(role) ?? []) yield { rule, reason };
      }
    }
  }

  *#bindingsOf(user: User, namespace: string): Generator<readonly [Binding, string], void> {
    const seen = new Set<string>();
    for (const subject of [`User ${user.name}`, ...user.groups.map((group) => `Group ${group}`)]) {
      for (const key of this.#bySubject.get(subject) ?? []) {
        const binding = this.#bindings.get(key);
        if (binding === undefined || binding.namespace !== namespace || seen.has(key)) continue;
        seen.add(key);
        yield [binding, binding.subjects.get(subject) ?? ""];
      }
    }
  }

  #observeRole(change: RoleChange): void {
    if (change.type === "DELETED") this.#roles.delete(keyOf(change));
    else this.#roles.set(keyOf(change), parseRules(parseRow(change)["rules"]));
  }

  #observeBinding(change: RoleChange): void {
    const key = keyOf(change);
    for (const subject of this.#bindings.get(key)?.subjects.keys() ?? []) {
      const keys = this.#bySubject.get(subject);
      keys?.delete(key);
      if (keys?.size === 0) this.#bySubject.delete(subject);
    }
    this.#bindings.delete(key);
    if (change.type === "DELETED") return;
    const binding = parseBinding(change);
    this.#bindings.set(key, binding);
    for (const subject of binding.subjects.keys()) {
      this.#bySubject.set(subject, (this.#bySubject.get(subject) ?? new Set()).add(key));
    }
  }
}

/** The role that a binding refers to. */
export function roleRefOf(binding: { readonly [field: string]: unknown }, namespace: string): RoleRef {
  const reference = objectOr(binding["roleRef"]);
  return {
    namespace: textOr(reference["kind"]) === "Role" ? namespace : "",
    name: textOr(reference["name"]),
  };
}

function parseBinding(change: RoleChange): Binding {
  const { namespace, name } = change;
  const object = parseRow(change);
  const subjects = new Map<string, string>();
  for (const subject of arrayOr(object["subjects"]).map(objectOr)) {
    const who = textOr(subject["name"]);
    const kind = textOr(subject["kind"]);
    if (kind === "ServiceAccount") {
      const home = textOr(subject["namespace"]) || namespace;
      subjects.set(`User system:serviceaccount:${home}:${who}`, `ServiceAccount "${who}/${home}"`);
    } else if (kind === "User" || kind === "Group") {
      subjects.set(`${kind} ${who}`, `${kind} ${JSON.stringify(who)}`);
    }
  }
  return { namespace, name, role: roleRefOf(object, namespace), subjects };
}

function keyOf({ namespace, name }: RoleRef): string {
  return `${namespace}/${name}`;
}

function bindingText({ namespace, name }: Binding): string {
  return namespace === "" ? `ClusterRoleBinding "${name}"` : `RoleBinding "${name}/${namespace}"`;
}

function roleText({ namespace, name }: RoleRef): string {
  return `${namespace === "" ? "ClusterRole" : "Role"} "${name}"`;
}

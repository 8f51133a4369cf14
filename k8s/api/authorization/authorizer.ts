/** Whether a user may do what it attempts: masters all, this mesh's programs what their table says, everybody else what roles grant. */
import type { User } from "../api.ts";
import type { ObjectStore } from "../object-store.ts";
import type { Attempt, Decision } from "./attempt.ts";
import { ruleAllows } from "./policy-rule.ts";
import { isProgram, type ProgramFacts, programMay } from "./program-grants.ts";
import { rbacGroup, type RoleChange, RoleIndex } from "./role-index.ts";

/** Its members may do everything. */
export const mastersGroup = "system:masters";

const rbacResources = ["clusterroles", "clusterrolebindings", "roles", "rolebindings"] as const;
const rowsAtOnce = 500;

/** Decides, by the roles that are stored now. */
export class Authorizer {
  readonly roles: RoleIndex = new RoleIndex();
  readonly #facts: ProgramFacts;

  constructor(facts: ProgramFacts) {
    this.#facts = facts;
  }

  /** Takes in a committed change of any object. */
  observe(change: RoleChange): void {
    this.roles.observe(change);
  }

  /** Takes in the roles and bindings that are stored already. */
  load(store: ObjectStore): void {
    for (const resource of rbacResources) {
      let after = { namespace: "", name: "" };
      for (;;) {
        const rows = store.page({ group: rbacGroup, resource }, after, rowsAtOnce);
        for (const row of rows) this.observe({ ...row, type: "ADDED" });
        const last = rows.at(-1);
        if (last === undefined || rows.length < rowsAtOnce) break;
        after = { namespace: last.namespace, name: last.name };
      }
    }
  }

  /** Whether a user may. */
  decide(user: User, attempt: Attempt): Decision {
    if (user.groups.includes(mastersGroup)) return { isAllowed: true, reason: "" };
    if (isProgram(user)) {
      return { isAllowed: programMay(user.name, attempt, this.#facts), reason: "" };
    }
    const namespace = attempt.kind === "resource" ? attempt.namespace : "";
    for (const { rule, reason } of this.roles.rulesFor(user, namespace)) {
      if (ruleAllows(rule, attempt)) return { isAllowed: true, reason };
    }
    return { isAllowed: false, reason: "" };
  }

  /** Same, when only the answer matters. */
  may(user: User, attempt: Attempt): boolean {
    return this.decide(user, attempt).isAllowed;
  }
}

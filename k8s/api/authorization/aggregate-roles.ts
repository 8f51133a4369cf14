/** Gives each ClusterRole that aggregates others the rules of those its selectors match. */
import type { JobContext } from "../finalize.ts";
import { arrayOr, isJsonObject, jsonEqual, objectOr } from "../json.ts";
import { matchesLabels } from "../label-selector.ts";
import { parseRow } from "../object-store.ts";
import { selectorOf } from "../selector-object.ts";
import { updateObject } from "../update-object.ts";
import type { WorkingObject } from "../working-object.ts";
import { rbacGroup } from "./role-index.ts";

const roles = { group: rbacGroup, resource: "clusterroles" } as const;
/** Roles are few; what is beyond is aggregated no more. */
const rolesMax = 5000;
/** An aggregate may be part of another: view is part of edit, and that of admin. */
const roundsMax = 8;

/** Brings all aggregates up to date. */
export function aggregateRoles(context: JobContext): void {
  for (let round = 0; round < roundsMax; round++) if (!aggregateOnce(context)) return;
}

/** @returns whether any changed. */
function aggregateOnce(context: JobContext): boolean {
  const kind = context.registry.find(roles.group, roles.resource);
  if (kind === undefined) return false;
  const all = context.store.page(roles, { namespace: "", name: "" }, rolesMax).map(parseRow);
  let hasChanged = false;
  for (const role of all) {
    if (!isJsonObject(role["aggregationRule"])) continue;
    const rules = rulesFor(role, all);
    if (jsonEqual(arrayOr(role["rules"]), rules)) continue;
    hasChanged = true;
    updateObject(context, {
      target: { kind, version: kind.storageVersion, namespace: "" },
      name: role.metadata.name,
      change: (old) => ({ ...old, rules: structuredClone(rules) }),
      replaces: false,
      options: { manager: "clusterrole-aggregation-controller" },
    });
  }
  return hasChanged;
}

function rulesFor(role: WorkingObject, all: readonly WorkingObject[]): readonly unknown[] {
  const selectors = arrayOr(objectOr(role["aggregationRule"])["clusterRoleSelectors"]).map(selectorOf);
  const rules = new Map<string, unknown>();
  for (const selector of selectors) {
    for (const other of all) {
      if (other.metadata.name === role.metadata.name || !matchesLabels(selector, other.metadata.labels))
        continue;
      for (const rule of arrayOr(other["rules"])) rules.set(JSON.stringify(rule), rule);
    }
  }
  return [...rules.values()];
}

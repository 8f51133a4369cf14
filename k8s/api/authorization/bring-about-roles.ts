/** Stores the roles and bindings that are there from the start, and gives back to them what they lost while nobody looked. */
import type { JobContext } from "../finalize.ts";
import { createObject } from "../create-object.ts";
import { arrayOr } from "../json.ts";
import { parseRow } from "../object-store.ts";
import { updateObject } from "../update-object.ts";
import type { WorkingObject } from "../working-object.ts";
import type { Target } from "../write-context.ts";
import { aggregateRoles } from "./aggregate-roles.ts";
import { type BootstrapRole, bootstrapBindings, bootstrapRoles } from "./bootstrap-roles.ts";
import { parseRules, uncoveredRules } from "./policy-rule.ts";
import { rbacGroup } from "./role-index.ts";

/** Set to "false" on an object it is left as it is. */
const autoupdate = "rbac.authorization.kubernetes.io/autoupdate";
const bootstrapLabel = { "kubernetes.io/bootstrapping": "rbac-defaults" };

/** Brings them about. */
export function bringAboutRoles(context: JobContext): void {
  for (const role of bootstrapRoles) {
    const target = targetAt(context, "clusterroles");
    const wanted = roleObject(role);
    if (read(context, target, role.name) === undefined) createObject(context, target, wanted);
    else restoreRole(context, target, role);
  }
  for (const { name, groups } of bootstrapBindings) {
    const target = targetAt(context, "clusterrolebindings");
    const known = read(context, target, name);
    const wanted = bindingObject(name, groups);
    if (known === undefined) createObject(context, target, wanted);
    else if (arrayOr(known["subjects"]).length === 0 && isKept(known)) {
      const change = (old: WorkingObject): unknown => ({ ...old, subjects: wanted.subjects });
      updateObject(context, { target, name, change, replaces: false, options: {} });
    }
  }
  aggregateRoles(context);
}

function restoreRole(context: JobContext, target: Target, role: BootstrapRole): void {
  const known = read(context, target, role.name);
  if (known === undefined || !isKept(known) || role.aggregates !== undefined) return;
  const missing = uncoveredRules(parseRules(known["rules"]), parseRules(role.rules));
  if (missing.length === 0) return;
  const change = (old: WorkingObject): unknown => ({
    ...old,
    rules: [...arrayOr(old["rules"]), ...structuredClone(role.rules)],
  });
  updateObject(context, { target, name: role.name, change, replaces: false, options: {} });
}

function isKept(object: WorkingObject): boolean {
  return object.metadata.annotations?.[autoupdate] !== "false";
}

function roleObject(role: BootstrapRole): object {
  const { name, labels, aggregates, rules } = role;
  return {
    metadata: { name, labels: { ...bootstrapLabel, ...labels }, annotations: { [autoupdate]: "true" } },
    ...(aggregates === undefined
      ? {}
      : { aggregationRule: { clusterRoleSelectors: [{ matchLabels: { [aggregates]: "true" } }] } }),
    rules,
  };
}

function bindingObject(name: string, groups: readonly string[]): { readonly subjects: readonly object[] } {
  const metadata = { name, labels: bootstrapLabel, annotations: { [autoupdate]: "true" } };
  const subjects = groups.map((group) => ({ kind: "Group", apiGroup: rbacGroup, name: group }));
  const binding = { metadata, roleRef: { apiGroup: rbacGroup, kind: "ClusterRole", name }, subjects };
  return binding;
}

function read(context: JobContext, target: Target, name: string): WorkingObject | undefined {
  const { group, resource } = target.kind;
  const row = context.store.read({ group, resource, namespace: "", name });
  return row === undefined ? undefined : parseRow(row);
}

function targetAt(context: JobContext, resource: string): Target {
  const kind = context.registry.find(rbacGroup, resource);
  if (kind === undefined) throw new Error(`Cannot bring about roles: ${resource} are not served`);
  return { kind, version: "v1", namespace: "" };
}

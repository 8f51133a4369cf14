/** rbac.authorization.k8s.io/v1: Role, RoleBinding, ClusterRole, ClusterRoleBinding. What they grant is decided elsewhere. */
import { arrayOr, objectOr, textOr } from "../json.ts";
import { bindingFaults, bindingRules, roleFaults } from "../authorization/role-checks.ts";
import type { KindDefinition, PrinterColumn } from "../kind.ts";
import type { WorkingObject } from "../working-object.ts";
import { builtinKind } from "./builtin-kind.ts";
import { age, createdAt, wide, worked } from "./columns.ts";
import type { KubeSchemas } from "./kube-schemas.ts";

const bindingColumns: readonly PrinterColumn[] = [
  worked("Role", (binding) => {
    const reference = objectOr(binding["roleRef"]);
    return `${textOr(reference["kind"])}/${textOr(reference["name"])}`;
  }),
  age,
  wide(worked("Users", (binding) => subjectsText(binding, "User"))),
  wide(worked("Groups", (binding) => subjectsText(binding, "Group"))),
  wide(worked("ServiceAccounts", (binding) => subjectsText(binding, "ServiceAccount"))),
];

/** The four kinds. */
export function rbacKinds(schemas: KubeSchemas): readonly KindDefinition[] {
  const kind = (name: string, namespaced: boolean, columns: readonly PrinterColumn[]): KindDefinition =>
    builtinKind(schemas, {
      names: [`${name.toLowerCase()}s`, name.toLowerCase(), name],
      group: "rbac.authorization.k8s.io",
      definition: `rbac.v1.${name}`,
      columns,
      ...(name.endsWith("Binding")
        ? { check: bindingFaults(namespaced), rules: bindingRules }
        : { check: roleFaults(namespaced) }),
      more: { namespaced, nameForm: "path-segment" },
    });
  return [
    kind("Role", true, [createdAt]),
    kind("RoleBinding", true, bindingColumns),
    kind("ClusterRole", false, [createdAt]),
    kind("ClusterRoleBinding", false, bindingColumns),
  ];
}

function subjectsText(binding: WorkingObject, kind: string): string {
  return arrayOr(binding["subjects"])
    .map(objectOr)
    .filter((subject) => subject["kind"] === kind)
    .map((subject) => {
      const name = textOr(subject["name"]);
      return kind === "ServiceAccount" ? `${textOr(subject["namespace"])}/${name}` : name;
    })
    .join(", ");
}

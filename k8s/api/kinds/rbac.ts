/** rbac.authorization.k8s.io/v1: Role, RoleBinding, ClusterRole, ClusterRoleBinding. What they grant is decided elsewhere. */
import { objectOr, textOr } from "../json.ts";
import type { KindDefinition, PrinterColumn } from "../kind.ts";
import { builtinKind } from "./builtin-kind.ts";
import { age, text } from "./columns.ts";
import { openSchema } from "./open-schema.ts";

function rbacKind(kind: string, namespaced: boolean, columns: readonly PrinterColumn[]): KindDefinition {
  const singular = kind.toLowerCase();
  return builtinKind({
    names: [`${singular}s`, singular, kind],
    group: "rbac.authorization.k8s.io",
    schema: openSchema,
    columns,
    more: { namespaced, nameForm: "path-segment" },
  });
}

const created = text("Created At", ".metadata.creationTimestamp");
const role: PrinterColumn = {
  ...text("Role", ""),
  cell: (binding) => {
    const reference = objectOr(binding["roleRef"]);
    return `${textOr(reference["kind"])}/${textOr(reference["name"])}`;
  },
};

/** The four kinds. */
export const rbacKinds: readonly KindDefinition[] = [
  rbacKind("Role", true, [created]),
  rbacKind("RoleBinding", true, [role, age]),
  rbacKind("ClusterRole", false, [created]),
  rbacKind("ClusterRoleBinding", false, [role, age]),
];

/** What Roles and bindings keep to beyond their schemas, and what of a binding never changes. */
import { arrayOr, jsonEqual, type JsonObject, objectOr, textOr, textsOf } from "../json.ts";
import type { KindRules, ObjectCheck } from "../kind.ts";
import { type FieldFault, invalidValue, requiredValue, unsupportedValue } from "../refusal.ts";
import { rbacGroup } from "./role-index.ts";

/** The check of Roles, or of ClusterRoles. */
export function roleFaults(namespaced: boolean): ObjectCheck {
  return (role) =>
    arrayOr(role["rules"]).flatMap((rule, index) =>
      ruleFaults(objectOr(rule), `rules[${index}]`, namespaced),
    );
}

function ruleFaults(rule: JsonObject, field: string, namespaced: boolean): readonly FieldFault[] {
  const [groups, resources, urls] = ["apiGroups", "resources", "nonResourceURLs"].map((name) =>
    textsOf(rule[name]),
  );
  const faults: FieldFault[] = [];
  if (textsOf(rule["verbs"]).length === 0) faults.push(requiredValue(`${field}.verbs`));
  if ((urls?.length ?? 0) > 0) return [...faults, ...urlFaults(rule, field, namespaced)];
  if (groups?.length === 0) {
    faults.push(requiredValue(`${field}.apiGroups`, "resource rules must supply at least one api group"));
  }
  if (resources?.length === 0) {
    faults.push(requiredValue(`${field}.resources`, "resource rules must supply at least one resource"));
  }
  return faults;
}

function urlFaults(rule: JsonObject, field: string, namespaced: boolean): readonly FieldFault[] {
  const urls = textsOf(rule["nonResourceURLs"]);
  const hasResources = ["apiGroups", "resources", "resourceNames"].some(
    (name) => textsOf(rule[name]).length > 0,
  );
  const why = namespaced
    ? "namespaced rules cannot apply to non-resource URLs"
    : "rules cannot apply to both regular resources and non-resource URLs";
  return namespaced || hasResources ? [invalidValue(`${field}.nonResourceURLs`, urls, why)] : [];
}

/** The check of RoleBindings, or of ClusterRoleBindings. */
export function bindingFaults(namespaced: boolean): ObjectCheck {
  const kinds = namespaced ? ["Role", "ClusterRole"] : ["ClusterRole"];
  return (binding) => {
    const reference = objectOr(binding["roleRef"]);
    const faults: FieldFault[] = [];
    const [group, kind] = [textOr(reference["apiGroup"]), textOr(reference["kind"])];
    if (group !== rbacGroup) faults.push(unsupportedValue("roleRef.apiGroup", group, [rbacGroup]));
    if (kind !== "" && !kinds.includes(kind)) faults.push(unsupportedValue("roleRef.kind", kind, kinds));
    if (textOr(reference["name"]) === "") faults.push(requiredValue("roleRef.name"));
    const subjects = arrayOr(binding["subjects"]).map(objectOr);
    return [
      ...faults,
      ...subjects.flatMap((subject, index) => subjectFaults(subject, `subjects[${index}]`, namespaced)),
    ];
  };
}

const subjectKinds = ["ServiceAccount", "User", "Group"];
const accountName = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
const accountNameRule =
  "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";

function subjectFaults(subject: JsonObject, field: string, namespaced: boolean): readonly FieldFault[] {
  const [kind, name, group] = [textOr(subject["kind"]), textOr(subject["name"]), textOr(subject["apiGroup"])];
  if (!subjectKinds.includes(kind)) {
    return kind === "" ? [] : [unsupportedValue(`${field}.kind`, kind, subjectKinds)];
  }
  const faults: FieldFault[] = name === "" ? [requiredValue(`${field}.name`)] : [];
  if (kind !== "ServiceAccount") {
    return group === rbacGroup
      ? faults
      : [...faults, unsupportedValue(`${field}.apiGroup`, group, [rbacGroup])];
  }
  if (name !== "" && !accountName.test(name))
    faults.push(invalidValue(`${field}.name`, name, accountNameRule));
  if (group !== "") faults.push(unsupportedValue(`${field}.apiGroup`, group, [""]));
  if (!namespaced && textOr(subject["namespace"]) === "") faults.push(requiredValue(`${field}.namespace`));
  return faults;
}

/** A binding is always to the same role: who may write it was allowed that one. */
export const bindingRules: KindRules = {
  onUpdate(binding, old) {
    if (jsonEqual(binding["roleRef"], old["roleRef"])) return [];
    const { apiGroup, kind, name } = objectOr(binding["roleRef"]);
    return [invalidValue("roleRef", { APIGroup: apiGroup, Kind: kind, Name: name }, "field is immutable")];
  },
};

/** Whether a CustomResourceDefinition's own name, group, scope and names are such that it can be served. */
import { arrayOr, type JsonObject, objectOr, textOr } from "../json.ts";
import { type FieldFault, invalidValue, requiredValue, unsupportedValue } from "../refusal.ts";
import type { WorkingObject } from "../working-object.ts";

const label1035 = /^[a-z](?:[-a-z0-9]{0,61}[a-z0-9])?$/;
const label1035Rule =
  "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')";
const subdomain = /^[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*$/;
const subdomainRule =
  "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const scopes = ["Cluster", "Namespaced"];

/** Faults of all of them. */
export function namesFaults(definition: WorkingObject): readonly FieldFault[] {
  const spec = objectOr(definition["spec"]);
  const names = objectOr(spec["names"]);
  const { name } = definition.metadata;
  const wanted = `${textOr(names["plural"])}.${textOr(spec["group"])}`;
  return [
    ...(name === wanted
      ? []
      : [invalidValue("metadata.name", name, 'must be spec.names.plural+"."+spec.group')]),
    ...groupFaults(textOr(spec["group"])),
    ...scopeFaults(spec["scope"]),
    ...resourceFaults(names),
    ...kindFaults(names),
  ];
}

/** Faults of what must be a label that starts with a letter. */
export function labelFaults(field: string, value: unknown): readonly FieldFault[] {
  const text = textOr(value);
  if (text === "") return [requiredValue(field)];
  return label1035.test(text) ? [] : [invalidValue(field, text, label1035Rule)];
}

function groupFaults(group: string): readonly FieldFault[] {
  if (group === "") return [requiredValue("spec.group")];
  if (!subdomain.test(group)) return [invalidValue("spec.group", group, subdomainRule)];
  if (group.includes(".")) return [];
  return [invalidValue("spec.group", group, "should be a domain with at least one dot")];
}

function scopeFaults(scope: unknown): readonly FieldFault[] {
  if (textOr(scope) === "") return [requiredValue("spec.scope")];
  return scopes.includes(textOr(scope)) ? [] : [unsupportedValue("spec.scope", scope, scopes)];
}

function resourceFaults(names: JsonObject): readonly FieldFault[] {
  const lists = ["shortNames", "categories"].flatMap((list) =>
    arrayOr(names[list]).flatMap((value, index) => labelFaults(`spec.names.${list}[${index}]`, value)),
  );
  return [
    ...labelFaults("spec.names.plural", names["plural"]),
    ...labelFaults("spec.names.singular", names["singular"]),
    ...lists,
  ];
}

function kindFaults(names: JsonObject): readonly FieldFault[] {
  const faults = ["kind", "listKind"].flatMap((field) => {
    const value = textOr(names[field]);
    if (value === "") return [requiredValue(`spec.names.${field}`)];
    if (label1035.test(value.toLowerCase())) return [];
    const why = `may have mixed case, but should otherwise match: ${label1035Rule}`;
    return [invalidValue(`spec.names.${field}`, value, why)];
  });
  if (faults.length > 0 || names["kind"] !== names["listKind"]) return faults;
  return [invalidValue("spec.names.listKind", names["listKind"], "kind and listKind may not be the same")];
}

/** Whether a webhook wants to see a request: by its rules, by labels of the namespace and of the object. Not by its conditions. */
import { type LabelSelector, matchesLabels } from "../label-selector.ts";
import { type ObjectStore, parseRow } from "../object-store.ts";
import type { WorkingObject } from "../working-object.ts";
import type { Target } from "../write-context.ts";
import type { Webhook, WebhookRule } from "./webhook.ts";
import { admissionGroup } from "./webhook-index.ts";

/** What is done. */
export type Operation = "CREATE" | "UPDATE" | "DELETE";

/** What is done to what. */
export interface AdmissionFacts {
  readonly operation: Operation;
  readonly target: Target;
  readonly subresource: string;
  /** Absent for a deletion. */
  readonly object: WorkingObject | undefined;
  /** Absent for a creation. */
  readonly oldObject: WorkingObject | undefined;
}

/** Whether any rule could match: what is known before the object is. */
export function mayMatch(
  webhook: Webhook,
  facts: Omit<AdmissionFacts, "object" | "oldObject" | "operation">,
): boolean {
  return (["CREATE", "UPDATE", "DELETE"] as const).some(
    (operation) => versionFor(webhook, { ...facts, operation }) !== undefined,
  );
}

/** The version in which a webhook wants to see an object; undefined when it does not. */
export function matchWebhook(
  store: ObjectStore,
  webhook: Webhook,
  facts: AdmissionFacts,
): string | undefined {
  const version = versionFor(webhook, facts);
  if (version === undefined) return undefined;
  if (!matchesNamespace(store, webhook.namespaceSelector, facts)) return undefined;
  const objects = [facts.object, facts.oldObject].filter((object) => object !== undefined);
  const { objectSelector } = webhook;
  return objects.some(({ metadata }) => matchesLabels(objectSelector, metadata.labels)) ? version : undefined;
}

type RuleFacts = Omit<AdmissionFacts, "object" | "oldObject">;

function versionFor(webhook: Webhook, facts: RuleFacts): string | undefined {
  const { kind, version } = facts.target;
  // A webhook could otherwise keep everybody from removing it.
  if (kind.group === admissionGroup) return undefined;
  const others = webhook.matchesEquivalent ? kind.versions.map(({ name }) => name) : [];
  return [version, ...others].find((candidate) =>
    webhook.rules.some((rule) => ruleMatches(rule, facts, candidate)),
  );
}

function ruleMatches(rule: WebhookRule, facts: RuleFacts, version: string): boolean {
  const { kind, namespace } = facts.target;
  const scope = namespace === "" ? "Cluster" : "Namespaced";
  return (
    includes(rule.operations, facts.operation) &&
    includes(rule.apiGroups, kind.group) &&
    includes(rule.apiVersions, version) &&
    (rule.scope === "*" || rule.scope === scope) &&
    rule.resources.some((pattern) => resourceMatches(pattern, kind.resource, facts.subresource))
  );
}

function includes(list: readonly string[], value: string): boolean {
  return list.includes("*") || list.includes(value);
}

/** `pods`, `pods/status`, `pods/*`, `*`, `*\/status`, `*\/*`. */
function resourceMatches(pattern: string, resource: string, subresource: string): boolean {
  const [name, part] = pattern.split("/");
  if (name !== "*" && name !== resource) return false;
  if (part === undefined) return subresource === "";
  return part === "*" || part === subresource;
}

function matchesNamespace(store: ObjectStore, selector: LabelSelector, facts: AdmissionFacts): boolean {
  if (selector.length === 0) return true;
  const { kind, namespace } = facts.target;
  if (kind.group === "" && kind.resource === "namespaces") {
    return matchesLabels(selector, (facts.object ?? facts.oldObject)?.metadata.labels);
  }
  if (namespace === "") return true;
  const row = store.read({ group: "", resource: "namespaces", namespace: "", name: namespace });
  return matchesLabels(selector, row === undefined ? undefined : parseRow(row).metadata.labels);
}

/** One rule of a role: what it allows, and whether rules together allow all that another one does. Who has the role is not asked here. */
import { arrayOr, objectOr, textsOf } from "../json.ts";
import { type Attempt, resourceText } from "./attempt.ts";

/** A rule of a Role or ClusterRole. */
export interface PolicyRule {
  readonly verbs: readonly string[];
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  /** Empty: all of them. */
  readonly resourceNames: readonly string[];
  readonly nonResourceURLs: readonly string[];
}

const all = "*";

/** The rules of a role, as it is stored. */
export function parseRules(rules: unknown): readonly PolicyRule[] {
  return arrayOr(rules)
    .map(objectOr)
    .map((rule) => ({
      verbs: textsOf(rule["verbs"]),
      apiGroups: textsOf(rule["apiGroups"]),
      resources: textsOf(rule["resources"]),
      resourceNames: textsOf(rule["resourceNames"]),
      nonResourceURLs: textsOf(rule["nonResourceURLs"]),
    }));
}

/** Whether a rule allows an attempt. */
export function ruleAllows(rule: PolicyRule, attempt: Attempt): boolean {
  if (!rule.verbs.includes(all) && !rule.verbs.includes(attempt.verb)) return false;
  if (attempt.kind === "path") return rule.nonResourceURLs.some((url) => urlCovers(url, attempt.path));
  const { group, name, subresource } = attempt;
  const named = resourceText(attempt);
  return (
    (rule.apiGroups.includes(all) || rule.apiGroups.includes(group)) &&
    rule.resources.some(
      (resource) =>
        resource === all || resource === named || (subresource !== "" && resource === `*/${subresource}`),
    ) &&
    (rule.resourceNames.length === 0 || rule.resourceNames.includes(name))
  );
}

/** What of some rules is not allowed by others: one verb, group, resource and name at a time. */
export function uncoveredRules(
  held: readonly PolicyRule[],
  wanted: readonly PolicyRule[],
): readonly PolicyRule[] {
  return wanted.flatMap(simpleRules).filter((simple) => !held.some((rule) => covers(rule, simple)));
}

/** Rules as Kubernetes shows them in a refusal: those that differ in their verbs only are one, in order of their text. */
export function rulesText(rules: readonly PolicyRule[]): string {
  const merged = new Map<string, PolicyRule>();
  for (const rule of rules) {
    const { verbs: _verbs, ...rest } = rule;
    // What is no resource's is shown verb by verb.
    const key = JSON.stringify(rule.nonResourceURLs.length > 0 ? rule : rest);
    const before = merged.get(key);
    const verbs = [...new Set([...(before?.verbs ?? []), ...rule.verbs])];
    merged.set(key, { ...rule, verbs });
  }
  return [...merged.values()].map(ruleText).sort().join("\n");
}

function ruleText(rule: PolicyRule): string {
  const parts = [
    ["APIGroups", rule.apiGroups],
    ["Resources", rule.resources],
    ["NonResourceURLs", rule.nonResourceURLs],
    ["ResourceNames", rule.resourceNames],
    ["Verbs", rule.verbs],
  ] as const;
  const shown = parts
    .filter(([, values]) => values.length > 0)
    .map(([name, values]) => `${name}:[${values.map((value) => JSON.stringify(value)).join(" ")}]`);
  return `{${shown.join(", ")}}`;
}

function simpleRules(rule: PolicyRule): readonly PolicyRule[] {
  const none = { apiGroups: [], resources: [], resourceNames: [], nonResourceURLs: [] };
  const names = rule.resourceNames.length === 0 ? [[]] : rule.resourceNames.map((name) => [name]);
  const ofResources = rule.apiGroups.flatMap((group) =>
    rule.resources.flatMap((resource) =>
      names.flatMap((resourceNames) =>
        rule.verbs.map((verb) => ({
          ...none,
          verbs: [verb],
          apiGroups: [group],
          resources: [resource],
          resourceNames,
        })),
      ),
    ),
  );
  const ofPaths = rule.nonResourceURLs.flatMap((url) =>
    rule.verbs.map((verb) => ({ ...none, verbs: [verb], nonResourceURLs: [url] })),
  );
  return [...ofResources, ...ofPaths];
}

/** Whether a rule allows all of another, which has one of each. */
function covers(rule: PolicyRule, simple: PolicyRule): boolean {
  return (
    hasEach(rule.verbs, simple.verbs) &&
    hasEach(rule.apiGroups, simple.apiGroups) &&
    simple.resources.every((resource) => coversResource(rule.resources, resource)) &&
    coversNames(rule.resourceNames, simple.resourceNames) &&
    simple.nonResourceURLs.every((url) => rule.nonResourceURLs.some((held) => urlCovers(held, url)))
  );
}

function hasEach(held: readonly string[], wanted: readonly string[]): boolean {
  return held.includes(all) || wanted.every((value) => held.includes(value));
}

function coversResource(held: readonly string[], wanted: string): boolean {
  if (held.includes(all) || held.includes(wanted)) return true;
  const [, subresource] = wanted.split("/");
  return subresource !== undefined && held.includes(`*/${subresource}`);
}

function coversNames(held: readonly string[], wanted: readonly string[]): boolean {
  if (held.length === 0) return true;
  return wanted.length > 0 && wanted.every((name) => held.includes(name));
}

function urlCovers(held: string, wanted: string): boolean {
  if (held === all || held === wanted) return true;
  return held.endsWith(all) && wanted.startsWith(held.slice(0, -1));
}

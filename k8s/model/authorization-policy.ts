/** AuthorizationPolicy, security.istio.io/v1: its type and its definition, with Istio's own fields. */
import type { Draft, KubeObject, NamespacedMeta, ResourceType } from "#host/kube/object.ts";
import { ageColumn, type DefinitionObject, definitionOf } from "./definition.ts";
import { anything, listOf, mapOf, object, oneOf, type Schema, text } from "./schema-words.ts";

/** Who a rule is about; every field that is there must hold, by one of its values. */
export interface PolicySource {
  readonly principals?: readonly string[];
  readonly notPrincipals?: readonly string[];
  readonly requestPrincipals?: readonly string[];
  readonly notRequestPrincipals?: readonly string[];
  readonly namespaces?: readonly string[];
  readonly notNamespaces?: readonly string[];
  readonly serviceAccounts?: readonly string[];
  readonly notServiceAccounts?: readonly string[];
  readonly ipBlocks?: readonly string[];
  readonly notIpBlocks?: readonly string[];
  readonly remoteIpBlocks?: readonly string[];
  readonly notRemoteIpBlocks?: readonly string[];
}

/** What a rule is about. */
export interface PolicyOperation {
  readonly hosts?: readonly string[];
  readonly notHosts?: readonly string[];
  readonly ports?: readonly string[];
  readonly notPorts?: readonly string[];
  readonly methods?: readonly string[];
  readonly notMethods?: readonly string[];
  readonly paths?: readonly string[];
  readonly notPaths?: readonly string[];
}

/** A further condition of a rule. */
export interface PolicyCondition {
  readonly key: string;
  readonly values?: readonly string[];
  readonly notValues?: readonly string[];
}

/** One rule: matches when one of `from`, one of `to` and all of `when` hold. */
export interface PolicyRule {
  readonly from?: readonly { readonly source?: PolicySource }[];
  readonly to?: readonly { readonly operation?: PolicyOperation }[];
  readonly when?: readonly PolicyCondition[];
}

/** An object a policy is bound to. */
export interface PolicyTargetRef {
  readonly group?: string;
  readonly kind: string;
  readonly name: string;
  readonly namespace?: string;
}

/** An AuthorizationPolicy. */
export interface AuthorizationPolicyObject extends KubeObject {
  readonly metadata: NamespacedMeta;
  readonly spec?: {
    readonly selector?: { readonly matchLabels?: Readonly<Record<string, string>> };
    readonly targetRef?: PolicyTargetRef;
    readonly targetRefs?: readonly PolicyTargetRef[];
    readonly rules?: readonly PolicyRule[];
    /** Default ALLOW. */
    readonly action?: "ALLOW" | "DENY" | "AUDIT" | "CUSTOM";
    readonly provider?: { readonly name?: string };
  };
  readonly status?: unknown;
}

/** security.istio.io/v1 AuthorizationPolicy. */
export const authorizationPolicyResource: ResourceType<AuthorizationPolicyObject> = {
  group: "security.istio.io",
  version: "v1",
  resource: "authorizationpolicies",
  kind: "AuthorizationPolicy",
  namespaced: true,
};

const texts = listOf(text);

function bothWays(...names: readonly string[]): Readonly<Record<string, Schema>> {
  return Object.fromEntries(
    names.flatMap((name) => [
      [name, texts] as const,
      [`not${name.charAt(0).toUpperCase()}${name.slice(1)}`, texts] as const,
    ]),
  );
}

const source = object(
  bothWays("principals", "requestPrincipals", "namespaces", "serviceAccounts", "ipBlocks", "remoteIpBlocks"),
);
const operation = object(bothWays("hosts", "ports", "methods", "paths"));
const targetRef = object({ group: text, kind: text, name: text, namespace: text }, ["kind", "name"]);

/** The definition: v1 is stored, v1beta1 served too, as in Istio. */
export const authorizationPolicyDefinition: Draft<DefinitionObject> = definitionOf({
  type: authorizationPolicyResource,
  shortNames: ["ap"],
  versions: ["v1", "v1beta1"],
  // A misspelt field that is silently dropped makes a policy wider than its author meant.
  refusesUnknownFields: true,
  columns: [{ name: "Action", type: "string", jsonPath: ".spec.action" }, ageColumn],
  schema: object({
    spec: object({
      selector: object({ matchLabels: mapOf(text) }),
      targetRef,
      targetRefs: listOf(targetRef, { maxItems: 16 }),
      action: oneOf("ALLOW", "DENY", "AUDIT", "CUSTOM"),
      provider: object({ name: text }),
      rules: listOf(
        object({
          from: listOf(object({ source })),
          to: listOf(object({ operation })),
          when: listOf(object({ key: text, values: texts, notValues: texts }, ["key"])),
        }),
        { maxItems: 512 },
      ),
    }),
    status: anything,
  }),
});

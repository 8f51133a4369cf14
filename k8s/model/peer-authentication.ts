/** PeerAuthentication, security.istio.io/v1: its type and its definition, with Istio's own fields. */
import type { Draft, KubeObject, NamespacedMeta, ResourceType } from "#host/kube/object.ts";
import { ageColumn, type DefinitionObject, definitionOf } from "./definition.ts";
import { anything, described, mapOf, object, oneOf, text } from "./schema-words.ts";

/** Whether connections must be mutual TLS; UNSET, or no mode at all, takes what holds around. */
export type PeerMode = "UNSET" | "DISABLE" | "PERMISSIVE" | "STRICT";

/** A PeerAuthentication. */
export interface PeerAuthenticationObject extends KubeObject {
  readonly metadata: NamespacedMeta;
  readonly spec?: {
    readonly selector?: { readonly matchLabels?: Readonly<Record<string, string>> };
    readonly mtls?: { readonly mode?: PeerMode };
    /** By the workload's own port. */
    readonly portLevelMtls?: Readonly<Record<string, { readonly mode?: PeerMode }>>;
  };
  readonly status?: unknown;
}

/** security.istio.io/v1 PeerAuthentication. */
export const peerAuthenticationResource: ResourceType<PeerAuthenticationObject> = {
  group: "security.istio.io",
  version: "v1",
  resource: "peerauthentications",
  kind: "PeerAuthentication",
  namespaced: true,
};

const mtls = object({
  mode: described(
    "STRICT: plain connections are refused. PERMISSIVE: they are let in. DISABLE is taken as PERMISSIVE. UNSET: as the namespace or the mesh says.",
    oneOf("UNSET", "DISABLE", "PERMISSIVE", "STRICT"),
  ),
});

/** The definition: v1 is stored, v1beta1 served too, as in Istio. */
export const peerAuthenticationDefinition: Draft<DefinitionObject> = definitionOf({
  type: peerAuthenticationResource,
  shortNames: ["pa"],
  versions: ["v1", "v1beta1"],
  // A misspelt field that is silently dropped lets in what its author meant to refuse.
  refusesUnknownFields: true,
  columns: [
    {
      name: "Mode",
      type: "string",
      jsonPath: ".spec.mtls.mode",
      description: "Defines the mTLS mode used for peer authentication.",
    },
    ageColumn,
  ],
  schema: object({
    spec: object({
      selector: object({ matchLabels: mapOf(text, { maxProperties: 4096 }) }),
      mtls,
      portLevelMtls: mapOf(mtls, { minProperties: 1 }),
    }),
    status: anything,
  }),
});

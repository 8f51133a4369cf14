/** HTTPRoute, gateway.networking.k8s.io/v1: its type and its definition, with the fields that we read; others are kept. */
import type { Draft, KubeObject, NamespacedMeta, ResourceType } from "#host/kube/object.ts";
import { ageColumn, type DefinitionObject, definitionOf } from "./definition.ts";
import { anything, listOf, object, oneOf, port, type Schema, text } from "./schema-words.ts";

/** What a route hangs on. */
export interface ParentRef {
  /** Default `gateway.networking.k8s.io`; empty for a Service. */
  readonly group: string;
  /** Default `Gateway`. */
  readonly kind: string;
  readonly name: string;
  readonly namespace?: string;
  readonly sectionName?: string;
  readonly port?: number;
}

/** A demand on a header or a query parameter. */
export interface ValueMatch {
  /** Default Exact. */
  readonly type: "Exact" | "RegularExpression";
  readonly name: string;
  readonly value: string;
}

/** All demands of a match must hold. */
export interface RouteMatch {
  readonly path?: {
    /** Default PathPrefix. */
    readonly type: "Exact" | "PathPrefix" | "RegularExpression";
    readonly value: string;
  };
  readonly headers?: readonly ValueMatch[];
  readonly queryParams?: readonly ValueMatch[];
  readonly method?: string;
}

/** Where a share of the traffic goes. */
export interface BackendRef {
  /** Default empty: the core group. */
  readonly group: string;
  /** Default `Service`. */
  readonly kind: string;
  readonly name: string;
  readonly namespace?: string;
  readonly port?: number;
  /** Default 1. */
  readonly weight: number;
}

/** One rule; the first that matches most precisely wins. */
export interface RouteRule {
  readonly name?: string;
  readonly matches: readonly RouteMatch[];
  readonly filters?: readonly (Readonly<Record<string, unknown>> & { readonly type: string })[];
  readonly backendRefs?: readonly BackendRef[];
  readonly timeouts?: { readonly request?: string; readonly backendRequest?: string };
  readonly retry?: {
    readonly codes?: readonly number[];
    readonly attempts?: number;
    readonly backoff?: string;
  };
}

/** An HTTPRoute. */
export interface HttpRouteObject extends KubeObject {
  readonly metadata: NamespacedMeta;
  readonly spec: {
    readonly parentRefs?: readonly ParentRef[];
    readonly hostnames?: readonly string[];
    readonly rules: readonly RouteRule[];
  };
  readonly status?: { readonly parents?: readonly unknown[] };
}

/** gateway.networking.k8s.io/v1 HTTPRoute. */
export const httpRouteResource: ResourceType<HttpRouteObject> = {
  group: "gateway.networking.k8s.io",
  version: "v1",
  resource: "httproutes",
  kind: "HTTPRoute",
  namespaced: true,
};

const open: Schema = { "x-kubernetes-preserve-unknown-fields": true };
const wholePath = { path: { type: "PathPrefix", value: "/" } };

const valueMatch = object(
  {
    type: { ...oneOf("Exact", "RegularExpression"), default: "Exact" },
    name: { ...text, minLength: 1, maxLength: 256 },
    value: { ...text, minLength: 1, maxLength: 4096 },
  },
  ["name", "value"],
);

const valueMatches = listOf(valueMatch, {
  maxItems: 16,
  "x-kubernetes-list-type": "map",
  "x-kubernetes-list-map-keys": ["name"],
});

const match = object({
  path: object(
    {
      type: { ...oneOf("Exact", "PathPrefix", "RegularExpression"), default: "PathPrefix" },
      value: { ...text, maxLength: 1024, default: "/" },
    },
    [],
    { default: { type: "PathPrefix", value: "/" } },
  ),
  headers: valueMatches,
  queryParams: valueMatches,
  method: oneOf("GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"),
});

const filter = object({ type: text }, ["type"], open);

const backendRef = object(
  {
    group: { ...text, default: "" },
    kind: { ...text, default: "Service" },
    name: { ...text, minLength: 1, maxLength: 253 },
    namespace: text,
    port,
    weight: { type: "integer", format: "int32", minimum: 0, maximum: 1_000_000, default: 1 },
    filters: listOf(filter, { maxItems: 16 }),
  },
  ["name"],
);

const duration: Schema = { type: "string", pattern: "^([0-9]{1,5}(h|m|s|ms)){1,4}$" };

const rule = object(
  {
    name: text,
    matches: listOf(match, { maxItems: 64, default: [wholePath] }),
    filters: listOf(filter, { maxItems: 16 }),
    backendRefs: listOf(backendRef, { maxItems: 16 }),
    timeouts: object({ request: duration, backendRequest: duration }),
    retry: object({
      codes: listOf({ type: "integer", minimum: 400, maximum: 599 }),
      attempts: { type: "integer", minimum: 0 },
      backoff: duration,
    }),
  },
  [],
  open,
);

const parentRef = object(
  {
    group: { ...text, default: "gateway.networking.k8s.io" },
    kind: { ...text, default: "Gateway" },
    name: { ...text, minLength: 1, maxLength: 253 },
    namespace: text,
    sectionName: text,
    port,
  },
  ["name"],
);

/** The definition. */
export const httpRouteDefinition: Draft<DefinitionObject> = definitionOf({
  type: httpRouteResource,
  versions: ["v1", "v1beta1"],
  refusesUnknownFields: false,
  columns: [{ name: "Hostnames", type: "string", jsonPath: ".spec.hostnames" }, ageColumn],
  schema: object(
    {
      spec: object(
        {
          parentRefs: listOf(parentRef, { maxItems: 32 }),
          hostnames: listOf({ ...text, minLength: 1, maxLength: 253 }, { maxItems: 16 }),
          rules: listOf(rule, { maxItems: 16, default: [{ matches: [wholePath] }] }),
        },
        [],
        open,
      ),
      status: object({ parents: listOf(anything) }, [], open),
    },
    ["spec"],
  ),
});

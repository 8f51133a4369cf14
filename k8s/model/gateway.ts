/** The definitions of Gateway and GatewayClass, gateway.networking.k8s.io/v1, with the fields that we read; others are kept. */
import { type Condition, gatewayResource } from "#host/kube/known-resources.ts";
import type { Draft, KubeObject, ObjectMeta, ResourceType } from "#host/kube/object.ts";
import { ageColumn, type DefinitionObject, definitionOf } from "./definition.ts";
import { anything, conditions, listOf, object, port, type Schema, text } from "./schema-words.ts";

/** A GatewayClass: who makes Gateways of it. */
export interface GatewayClassObject extends KubeObject {
  readonly metadata: ObjectMeta;
  readonly spec: { readonly controllerName: string; readonly description?: string };
  readonly status?: { readonly conditions?: readonly Condition[] };
}

/** gateway.networking.k8s.io/v1 GatewayClass. */
export const gatewayClassResource: ResourceType<GatewayClassObject> = {
  group: "gateway.networking.k8s.io",
  version: "v1",
  resource: "gatewayclasses",
  kind: "GatewayClass",
  namespaced: false,
};

const open: Schema = { "x-kubernetes-preserve-unknown-fields": true };
const address = object({ type: { ...text, default: "IPAddress" }, value: text });

const listener = object(
  {
    name: { ...text, minLength: 1, maxLength: 253 },
    hostname: text,
    port,
    protocol: { ...text, minLength: 1 },
    tls: anything,
    allowedRoutes: object(
      {
        namespaces: object({ from: { ...text, default: "Same" } }, [], {
          ...open,
          default: { from: "Same" },
        }),
      },
      [],
      { ...open, default: { namespaces: { from: "Same" } } },
    ),
  },
  ["name", "port", "protocol"],
  open,
);

/** The definition of Gateway. */
export const gatewayDefinition: Draft<DefinitionObject> = definitionOf({
  type: gatewayResource,
  shortNames: ["gtw"],
  versions: ["v1", "v1beta1"],
  refusesUnknownFields: false,
  columns: [
    { name: "Class", type: "string", jsonPath: ".spec.gatewayClassName" },
    { name: "Address", type: "string", jsonPath: ".status.addresses[*].value" },
    {
      name: "Programmed",
      type: "string",
      jsonPath: '.status.conditions[?(@.type=="Programmed")].status',
    },
    ageColumn,
  ],
  schema: object(
    {
      spec: object(
        {
          gatewayClassName: { ...text, minLength: 1, maxLength: 253 },
          listeners: listOf(listener, {
            minItems: 1,
            maxItems: 64,
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["name"],
          }),
          addresses: listOf(address, { maxItems: 16 }),
        },
        ["gatewayClassName", "listeners"],
        open,
      ),
      status: object({ addresses: listOf(address), conditions, listeners: listOf(anything) }, [], open),
    },
    ["spec"],
  ),
});

/** The definition of GatewayClass. */
export const gatewayClassDefinition: Draft<DefinitionObject> = definitionOf({
  type: gatewayClassResource,
  shortNames: ["gc"],
  versions: ["v1", "v1beta1"],
  refusesUnknownFields: false,
  columns: [{ name: "Controller", type: "string", jsonPath: ".spec.controllerName" }, ageColumn],
  schema: object(
    {
      spec: object(
        { controllerName: { ...text, minLength: 1 }, description: text },
        ["controllerName"],
        open,
      ),
      status: object({ conditions }, [], open),
    },
    ["spec"],
  ),
});

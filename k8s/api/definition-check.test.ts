/** Which CustomResourceDefinitions are refused, and why. */
import { expect, test } from "bun:test";
import { definitionFaults } from "./definition-check.ts";
import type { JsonObject } from "./json.ts";
import type { WorkingObject } from "./working-object.ts";

function definition(spec: JsonObject = {}, schema: JsonObject = { type: "object" }): WorkingObject {
  const metadata = { name: "things.example.com", uid: "", resourceVersion: "", creationTimestamp: "" };
  return {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata,
    spec: {
      group: "example.com",
      scope: "Namespaced",
      names: { plural: "things", kind: "Thing", singular: "thing", listKind: "ThingList" },
      versions: [{ name: "v1", served: true, storage: true, schema: { openAPIV3Schema: schema } }],
      ...spec,
    },
  };
}

test("a plain definition has no faults", () => {
  expect(definitionFaults(definition())).toEqual([]);
});

const field = "spec.validation.openAPIV3Schema";

test.each([
  [{ group: "nodot" }, ["metadata.name", "spec.group"]],
  [
    { names: { plural: "Things", kind: "Thing", singular: "a", listKind: "b" } },
    ["metadata.name", "spec.names.plural"],
  ],
  [
    { names: { plural: "things", kind: "bad kind" } },
    ["spec.names.singular", "spec.names.kind", "spec.names.listKind"],
  ],
  [{ scope: "Galaxy" }, ["spec.scope"]],
  [{ preserveUnknownFields: true }, ["spec.preserveUnknownFields"]],
  [{ conversion: { strategy: "Webhook" } }, ["spec.conversion.strategy"]],
  [{ versions: [] }, ["spec.versions", "status.storedVersions"]],
  [{ versions: [{ name: "v1", served: true, storage: true }] }, ["spec.versions[0].schema.openAPIV3Schema"]],
  [
    {
      versions: [
        { name: "v1", served: true, storage: false, schema: { openAPIV3Schema: { type: "object" } } },
      ],
    },
    ["spec.versions", "status.storedVersions"],
  ],
] as const)("refuses %j", (spec, want) => {
  expect(definitionFaults(definition(spec as JsonObject)).map((fault) => fault.field)).toEqual([...want]);
});

test.each([
  [{ type: "array", items: { type: "string" } }, [`${field}.type`]],
  [{ type: "object", properties: { a: {} } }, [`${field}.properties[a].type`]],
  [{ type: "object", properties: { a: { type: "text" } } }, [`${field}.properties[a].type`]],
  [{ type: "object", properties: { a: { type: "array" } } }, [`${field}.properties[a].items`]],
  [{ type: "object", properties: { a: { type: "string", enum: "x" } } }, [field]],
  [{ type: "object", required: 5 }, [field]],
  [{ type: "object", $ref: "#/x" }, [`${field}.$ref`]],
  [
    { type: "object", properties: { a: { type: "string", pattern: "(" } } },
    [`${field}.properties[a].pattern`],
  ],
  [
    { type: "object", properties: { a: { type: "string" } }, additionalProperties: { type: "string" } },
    [`${field}.additionalProperties`],
  ],
  [
    {
      type: "object",
      properties: { a: { type: "array", items: { type: "string" }, "x-kubernetes-list-map-keys": ["k"] } },
    },
    [`${field}.properties[a].x-kubernetes-list-type`],
  ],
  [
    {
      type: "object",
      properties: {
        a: { type: "array", items: { type: "string", nullable: true }, "x-kubernetes-list-type": "set" },
      },
    },
    [`${field}.properties[a].items.nullable`],
  ],
  [
    {
      type: "object",
      properties: {
        a: {
          type: "array",
          "x-kubernetes-list-type": "set",
          items: { type: "array", items: { type: "string" }, "x-kubernetes-list-type": "set" },
        },
      },
    },
    [`${field}.properties[a].items.x-kubernetes-list-type`],
  ],
  [
    {
      type: "object",
      properties: {
        a: {
          type: "array",
          "x-kubernetes-list-type": "map",
          "x-kubernetes-list-map-keys": ["k"],
          items: { type: "string" },
        },
      },
    },
    [`${field}.properties[a].items.type`],
  ],
  [
    {
      type: "object",
      properties: {
        a: {
          type: "array",
          "x-kubernetes-list-type": "map",
          "x-kubernetes-list-map-keys": ["k"],
          items: { type: "object", required: ["k"], properties: { k: { type: "string", nullable: true } } },
        },
      },
    },
    [`${field}.properties[a].items.properties[k].nullable`],
  ],
  [
    { type: "object", properties: { a: { type: "array", items: { type: "integer" }, default: [1, "x"] } } },
    [`${field}.properties[a].default[1]`],
  ],
  [
    { type: "object", properties: { a: { type: "string", enum: "x", default: "x" } } },
    [`${field}.properties[a].default`],
  ],
  [
    {
      type: "object",
      properties: { metadata: { type: "object", properties: { labels: { type: "object" } } } },
    },
    [`${field}.properties[metadata]`],
  ],
  [
    { type: "object", allOf: [{ properties: { b: {} } }, { not: { items: { title: "x" } } }] },
    [`${field}.allOf[1].not.items.title`, `${field}.properties[b]`],
  ],
] as const)("refuses the schema %j", (schema, want) => {
  expect(definitionFaults(definition({}, schema as JsonObject)).map((fault) => fault.field)).toEqual([
    ...want,
  ]);
});

/** Reading objects by a schema: what is dropped, set and refused. */
import { describe, expect, test } from "bun:test";
import type { JsonObject } from "./json.ts";
import { structuralSchema } from "./structural-schema.ts";
import type { WorkingObject } from "./working-object.ts";

const schema = structuralSchema({
  type: "object",
  required: ["spec"],
  properties: {
    spec: {
      type: "object",
      required: ["size"],
      properties: {
        size: { type: "integer", minimum: 1, maximum: 9, exclusiveMaximum: true },
        mode: { type: "string", enum: ["a", "b"], default: "a" },
        maybe: { type: "string", nullable: true },
        port: { "x-kubernetes-int-or-string": true },
        free: {
          type: "object",
          "x-kubernetes-preserve-unknown-fields": true,
          properties: { known: { type: "string" } },
        },
        any: { "x-kubernetes-preserve-unknown-fields": true },
        map: {
          type: "object",
          additionalProperties: { type: "object", properties: { x: { type: "string", default: "y" } } },
        },
        nested: { type: "object", default: {}, properties: { deep: { type: "integer", default: 7 } } },
        name: { type: "string", pattern: "^[a-z]+$", maxLength: 5 },
        at: { type: "string", format: "date-time" },
        odd: { type: "string", format: "unknown-format" },
        items: {
          type: "array",
          maxItems: 3,
          items: { type: "object", required: ["id"], properties: { id: { type: "string" } } },
          "x-kubernetes-list-type": "map",
          "x-kubernetes-list-map-keys": ["id"],
        },
        set: { type: "array", items: { type: "string" }, "x-kubernetes-list-type": "set" },
        template: {
          type: "object",
          "x-kubernetes-embedded-resource": true,
          properties: { spec: { type: "object" } },
        },
        frozen: {
          type: "object",
          properties: { x: { type: "integer" } },
          "x-kubernetes-validations": [{ rule: "self == oldSelf", message: "is frozen" }],
        },
      },
    },
  },
});

function objectOf(spec: unknown): WorkingObject {
  const metadata = { name: "x", uid: "", resourceVersion: "", creationTimestamp: "" };
  return { apiVersion: "a/v1", kind: "A", metadata, spec: structuredClone(spec) };
}

function read(spec: unknown): { spec: unknown; unknown: readonly string[]; faults: readonly string[] } {
  const object = objectOf(spec);
  const { unknown, faults } = schema.read(object);
  return { spec: object["spec"], unknown, faults: faults.map((fault) => `${fault.field}: ${fault.message}`) };
}

const defaults = { mode: "a", nested: { deep: 7 } };

describe("what is kept", () => {
  const rows: readonly [name: string, spec: JsonObject, want: JsonObject, unknown: readonly string[]][] = [
    ["defaults are set", { size: 1 }, { size: 1, ...defaults }, []],
    ["unknown fields go", { size: 1, extra: 2 }, { size: 1, ...defaults }, ["spec.extra"]],
    [
      "… also below",
      { size: 1, nested: { deep: 1, no: 1 } },
      { size: 1, mode: "a", nested: { deep: 1 } },
      ["spec.nested.no"],
    ],
    [
      "… and in lists",
      { size: 1, items: [{ id: "a", x: 1 }] },
      { size: 1, ...defaults, items: [{ id: "a" }] },
      ["spec.items[0].x"],
    ],
    [
      "free objects keep them",
      { size: 1, free: { known: "k", more: { x: 1 } } },
      { size: 1, ...defaults, free: { known: "k", more: { x: 1 } } },
      [],
    ],
    [
      "anything goes where nothing is said",
      { size: 1, any: [{ x: 1 }] },
      { size: 1, ...defaults, any: [{ x: 1 }] },
      [],
    ],
    [
      "maps keep every name",
      { size: 1, map: { k: {} } },
      { size: 1, ...defaults, map: { k: { x: "y" } } },
      [],
    ],
    ["null is dropped and defaulted", { size: 1, mode: null }, { size: 1, ...defaults }, []],
    ["null stays where it may be", { size: 1, maybe: null }, { size: 1, ...defaults, maybe: null }, []],
    [
      "embedded resources have a type",
      { size: 1, template: { apiVersion: "v1", kind: "X", metadata: { a: 1 }, no: 1 } },
      { size: 1, ...defaults, template: { apiVersion: "v1", kind: "X", metadata: { a: 1 } } },
      ["spec.template.no"],
    ],
  ];
  test.each(rows)("%s", (_, spec, want, unknown) => {
    expect(read(spec)).toEqual({ spec: want, unknown, faults: [] });
  });
});

describe("what is refused", () => {
  const rows: readonly [spec: JsonObject, want: readonly string[]][] = [
    [{}, ["spec.size: Required value"]],
    [{ size: 0 }, ["spec.size: Invalid value: 0: spec.size in body should be greater than or equal to 1"]],
    [{ size: 9 }, ["spec.size: Invalid value: 9: spec.size in body should be less than 9"]],
    [
      { size: "1" },
      ['spec.size: Invalid value: "string": spec.size in body must be of type integer: "string"'],
    ],
    [{ size: 1, mode: "c" }, ['spec.mode: Unsupported value: "c": supported values: "a", "b"']],
    [
      { size: 1, port: true },
      ['spec.port: Invalid value: "boolean": spec.port in body must be of type integer or string: "boolean"'],
    ],
    [{ size: 1, name: "A" }, [`spec.name: Invalid value: "A": spec.name in body should match '^[a-z]+$'`]],
    [
      { size: 1, at: "yesterday" },
      ['spec.at: Invalid value: "yesterday": spec.at in body must be of type date-time: "yesterday"'],
    ],
    [{ size: 1, items: [{}] }, ["spec.items[0].id: Required value"]],
    [{ size: 1, items: [{ id: "a" }, { id: "a" }] }, ['spec.items[1]: Duplicate value: ["a"]']],
    [{ size: 1, set: ["a", "a"] }, ['spec.set[1]: Duplicate value: "a"']],
    [
      { size: 1, items: {} },
      ['spec.items: Invalid value: "object": spec.items in body must be of type array: "object"'],
    ],
  ];
  test.each(rows)("%j", (spec, want) => {
    expect(read(spec).faults).toEqual(want);
  });

  test("formats nobody knows are no demand", () => {
    expect(read({ size: 1, odd: "?", port: "http" }).faults).toEqual([]);
  });

  test("at most 32 faults are told", () => {
    const items = Array.from({ length: 100 }, () => ({}));
    expect(read({ size: 1, items }).faults).toHaveLength(32);
  });
});

function judge(now: unknown, old: unknown): readonly string[] {
  return schema
    .judge(objectOf({ size: 1, frozen: now }), objectOf({ size: 2, frozen: old }), [])
    .map((fault) => `${fault.field}: ${fault.message}`);
}

test("judge() holds what may not change", () => {
  expect(judge({ x: 1 }, { x: 1 })).toEqual([]);
  expect(judge({ x: 2 }, { x: 1 })).toEqual(["spec.frozen: Invalid value: is frozen"]);
  expect(judge({ x: 2 }, undefined)).toEqual([]);
});

test("judge() asks no rules of what cannot be read", () => {
  const missing = { reason: "FieldValueRequired", field: "spec.size", message: "Required value" } as const;
  const object = objectOf({ size: 1 });
  expect(schema.judge(object, undefined, [missing]).map(({ field }) => field)).toEqual(["<nil>"]);
});

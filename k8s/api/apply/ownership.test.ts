/** Server-side apply as laws and as tables: who owns what, who conflicts, what goes and what stays. */
import { expect, test } from "bun:test";
import { array, assert, constantFrom, dictionary, nat, property, record, uniqueArray } from "fast-check";
import type { JsonObject } from "../json.ts";
import { configFault } from "./check-config.ts";
import { type FieldSet, noFields, pathsOf } from "./field-set.ts";
import { formatFields, parseFields, pathText } from "./fields-v1.ts";
import { type Managers, nobody, type Writer, writerKey } from "./managers.ts";
import { applyConfig, type Applied, ownersAfterUpdate } from "./ownership.ts";
import { removeFields } from "./remove-fields.ts";

const text: JsonObject = { type: "string" };
const number: JsonObject = { type: "integer" };
const schema: JsonObject = {
  type: "object",
  properties: {
    replicas: number,
    name: text,
    labels: { type: "object", additionalProperties: text },
    whole: { type: "object", additionalProperties: text, "x-kubernetes-map-type": "atomic" },
    list: { type: "array", items: text },
    tags: { type: "array", items: text, "x-kubernetes-list-type": "set" },
    free: { type: "object", "x-kubernetes-preserve-unknown-fields": true },
    ports: {
      type: "array",
      "x-kubernetes-list-type": "map",
      "x-kubernetes-list-map-keys": ["port", "protocol"],
      items: {
        type: "object",
        properties: { port: number, protocol: { ...text, default: "TCP" }, name: text },
      },
    },
    deep: { type: "object", properties: { a: number, b: number } },
  },
};

function writer(manager: string, operation: Writer["operation"]): Writer {
  return { manager, operation, apiVersion: "v1", subresource: "" };
}

interface State {
  readonly object: unknown;
  readonly managers: Managers;
}

const nothing: State = { object: {}, managers: nobody };

function tryApply(state: State, manager: string, config: unknown, isForced = false): Applied {
  const write = { schema, writer: writer(manager, "Apply"), ignored: noFields, at: "now", isForced };
  return applyConfig(write, state.object, config, state.managers);
}

function apply(state: State, manager: string, config: unknown, isForced = false): State {
  const applied = tryApply(state, manager, config, isForced);
  if (applied.kind !== "done") throw new Error(`conflicts: ${applied.conflicts.length}`);
  return { ...applied, object: applied.object ?? {} };
}

function update(state: State, manager: string, object: unknown): State {
  const write = { schema, writer: writer(manager, "Update"), ignored: noFields, at: "now" };
  return { object, managers: ownersAfterUpdate(write, state.object, object, state.managers) };
}

function owned(state: State, manager: string, operation: Writer["operation"] = "Apply"): JsonObject {
  return formatFields(state.managers.get(writerKey(writer(manager, operation)))?.fields ?? noFields);
}

function texts(set: FieldSet): readonly string[] {
  return [...pathsOf(set)].map(pathText);
}

test.each<[string, unknown, JsonObject]>([
  ["scalars", { replicas: 1, name: "x" }, { "f:name": {}, "f:replicas": {} }],
  ["entries of a map", { labels: { a: "1" } }, { "f:labels": { "f:a": {} } }],
  ["an empty map", { labels: {} }, { "f:labels": {} }],
  ["an atomic map", { whole: { a: "1" } }, { "f:whole": {} }],
  ["an atomic list", { list: ["a"] }, { "f:list": {} }],
  ["a set", { tags: ["b", "a"] }, { "f:tags": { 'v:"a"': {}, 'v:"b"': {} } }],
  [
    "a list by keys, one of them by default",
    { ports: [{ port: 80, name: "x" }] },
    { "f:ports": { 'k:{"port":80,"protocol":"TCP"}': { ".": {}, "f:name": {}, "f:port": {} } } },
  ],
  ["what no schema knows", { free: { a: { b: [1] } } }, { "f:free": { "f:a": { ".": {}, "f:b": {} } } }],
])("an apply owns %s", (_, config, want) => {
  const state = apply(nothing, "me", config);
  expect(owned(state, "me")).toEqual(want);
  expect(state.object).toEqual(config);
  expect(formatFields(parseFields(want) ?? noFields)).toEqual(want);
});

test("an update owns what it brought, containers included, and nothing that was there", () => {
  const first = update(nothing, "one", { labels: { a: "1" }, ports: [{ port: 80 }] });
  expect(owned(first, "one", "Update")).toEqual({
    "f:labels": { ".": {}, "f:a": {} },
    "f:ports": { ".": {}, 'k:{"port":80,"protocol":"TCP"}': { ".": {}, "f:port": {} } },
  });
  const second = update(first, "two", { labels: { a: "1", b: "2" }, ports: [{ port: 80, name: "x" }] });
  expect(owned(second, "two", "Update")).toEqual({
    "f:labels": { "f:b": {} },
    "f:ports": { 'k:{"port":80,"protocol":"TCP"}': { "f:name": {} } },
  });
  const third = update(second, "two", { labels: { b: "2" }, ports: [{ port: 80, name: "x" }] });
  expect(owned(third, "one", "Update")).toEqual({
    "f:labels": {},
    "f:ports": { ".": {}, 'k:{"port":80,"protocol":"TCP"}': { ".": {}, "f:port": {} } },
  });
});

test("a differing value of another owner conflicts, an equal one is shared", () => {
  const first = apply(nothing, "one", { replicas: 1, name: "x" });
  const shared = apply(first, "two", { replicas: 1 });
  expect([owned(shared, "one"), owned(shared, "two")]).toEqual([
    { "f:name": {}, "f:replicas": {} },
    { "f:replicas": {} },
  ]);
  const refused = tryApply(first, "two", { replicas: 2 });
  expect(refused.kind === "conflicts" && refused.conflicts.map(({ fields }) => texts(fields))).toEqual([
    [".replicas"],
  ]);
  const forced = apply(first, "two", { replicas: 2 }, true);
  expect([forced.object, owned(forced, "one")]).toEqual([{ replicas: 2, name: "x" }, { "f:name": {} }]);
});

test("what is not applied any more goes, unless another owns it", () => {
  const one = apply(nothing, "one", { deep: { a: 1, b: 2 }, labels: { a: "1" }, ports: [{ port: 80 }] });
  const two = apply(one, "two", { deep: { b: 2 } });
  expect(apply(two, "one", { labels: { c: "3" } }).object).toEqual({ deep: { b: 2 }, labels: { c: "3" } });
  expect(apply(one, "one", {}).object).toEqual({});
  const updated = update(one, "hand", { ...(one.object as object), labels: { a: "1", hand: "1" } });
  expect(apply(updated, "one", { replicas: 1 }).object).toEqual({ replicas: 1, labels: { hand: "1" } });
});

test.each<[string, readonly string[], readonly string[], readonly string[]]>([
  ["own order", ["b", "a"], ["a", "b"], ["a", "b"]],
  ["others stay in their places", ["x", "a", "y", "b"], ["b", "a"], ["x", "y", "b", "a"]],
  ["new ones come before their successors", ["a", "b"], ["n", "b"], ["a", "n", "b"]],
  ["new ones at the end", ["a", "b"], ["a", "n"], ["a", "b", "n"]],
])("a merged list has the configuration's %s", (_, live, config, want) => {
  expect(apply({ object: { tags: live }, managers: nobody }, "me", { tags: config }).object).toEqual({
    tags: want,
  });
});

test("items that a list has twice are left alone until somebody applies one", () => {
  const twice = { ports: [{ port: 80, name: "a" }, { port: 80, name: "b" }, { port: 81 }] };
  const state = update(nothing, "hand", twice);
  expect(apply(state, "me", { ports: [{ port: 82 }] }).object).toEqual({
    ports: [...twice.ports, { port: 82 }],
  });
  expect(apply(state, "me", { ports: [{ port: 80, name: "c" }] }, true).object).toEqual({
    ports: [{ port: 80, name: "c" }, { port: 81 }],
  });
});

test.each<[unknown, string]>([
  [{ ports: [{ port: 80 }, { port: 80 }] }, '.ports: duplicate entries for key [port=80,protocol="TCP"]'],
  [{ tags: ["a", "a"] }, '.tags: duplicate entries for key [="a"]'],
  [{ deep: { c: 1 } }, ".deep.c: field not declared in schema"],
  [{ replicas: "x" }, ".replicas: expected numeric (int or float), got string"],
  [{ labels: [1] }, ".labels: expected map, got &{[1]}"],
  [{ tags: "a" }, ".tags: expected list, got &{a}"],
  [{ list: [1] }, ".list[0]: expected string, got &value.valueUnstructured{Value:1}"],
  [{ ports: ["a"] }, ".ports: element 0: associative list with keys may not have non-map elements"],
])("a configuration like %j cannot be merged", (config, want) => {
  expect(configFault(config, schema)).toBe(want);
});

test("a list's item needs one of its keys", () => {
  const keyed = { type: "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"] };
  const declared = { type: "object", properties: { list: { ...keyed, items: { type: "object" } } } };
  expect(configFault({ list: [{ v: 1 }] }, declared)).toContain('omits all key fields ["k"]');
  expect(
    configFault({ list: [{ k: 1 }], list2: 1 }, { ...declared, additionalProperties: {} }),
  ).toBeUndefined();
});

test("a value that takes another form loses what was in it, and its new parts have a new owner", () => {
  const object = update(nothing, "one", { free: { a: { b: 1 } } });
  const scalar = update(object, "two", { free: { a: "x" } });
  expect([owned(scalar, "one", "Update"), owned(scalar, "two", "Update")]).toEqual([
    { "f:free": {} },
    { "f:free": { "f:a": {} } },
  ]);
  const again = update(scalar, "three", { free: { a: { c: 1 } } });
  expect([owned(again, "two", "Update"), owned(again, "three", "Update")]).toEqual([
    {},
    { "f:free": { "f:a": { ".": {}, "f:c": {} } } },
  ]);
  expect(apply(again, "four", { free: { a: [1] } }, true).object).toEqual({ free: { a: [1] } });
});

test("who owned parts of what has become one owns it", () => {
  const parts = parseFields({ "f:whole": { "f:a": {} }, "f:list": { 'v:"x"': {} }, "f:deep": { "f:a": {} } });
  const one = writer("one", "Apply");
  const fields = parts ?? noFields;
  const object = { whole: { a: "1", b: "2" }, list: ["x"], deep: { a: 1 } };
  const state = { object, managers: new Map([[writerKey(one), { writer: one, fields }]]) };
  const refused = tryApply(state, "two", { whole: { a: "1" } });
  expect(refused.kind === "conflicts" && refused.conflicts.map((each) => texts(each.fields))).toEqual([
    [".whole"],
  ]);
  expect(owned(update(state, "hand", { ...object, deep: { a: 2 } }), "one")).toEqual({
    "f:whole": {},
    "f:list": {},
  });
});

test("what was owned in parts and has none any more goes as a whole", () => {
  const fields = parseFields({
    "f:whole": { "f:a": {} },
    "f:labels": { "f:a": { "i:0": {} }, "f:b": { "f:c": {} } },
  });
  const value = { whole: { a: "1" }, labels: { a: [1], b: "x" }, name: "n" };
  expect(removeFields(value, fields ?? noFields, schema)).toEqual({
    whole: null,
    labels: { a: null, b: "x" },
    name: "n",
  });
});

test.each<[unknown, JsonObject | undefined]>([
  [
    { "f:a": { "i:0": {}, "i:x": {}, "q:y": {}, "k:nothing": {}, "k:1": {}, "v:": {} } },
    { "f:a": { "i:0": {} } },
  ],
  [{ "f:a": { 'k:{"b":1,"a":"x"}': {} } }, { "f:a": { 'k:{"a":"x","b":1}': {} } }],
  [{ "f:a": 1 }, undefined],
  [[], undefined],
])("parseFields(%j)", (value, want) => {
  const set = parseFields(value);
  expect(set === undefined ? undefined : formatFields(set)).toEqual(want);
});

test("paths are told as Kubernetes tells them, members before what lies deeper", () => {
  const set = parseFields({ "f:b": {}, "f:a": { "i:1": {}, 'v:"x"': {}, 'k:{"p":1}': { "f:c": {} } } });
  expect(texts(set ?? noFields)).toEqual([".b", '.a[="x"]', ".a[1]", ".a[p=1].c"]);
});

test("a writer beyond the tenth makes the oldest ancient", () => {
  let state = nothing;
  for (let i = 0; i < 12; i++) {
    const labels = Object.fromEntries(Array.from({ length: i + 1 }, (_, n) => [`l${n}`, "1"]));
    const write = { schema, writer: writer(`m${i}`, "Update"), ignored: noFields, at: `t${100 + i}` };
    const managers = ownersAfterUpdate(write, state.object, { labels }, state.managers);
    state = { object: { labels }, managers };
  }
  const names = [...state.managers.values()].map((owner) => owner.writer.manager).sort();
  expect(names).toEqual(["ancient-changes", "m10", "m11", "m3", "m4", "m5", "m6", "m7", "m8", "m9"]);
  expect(owned(state, "ancient-changes", "Update")).toEqual({
    "f:labels": { ".": {}, "f:l0": {}, "f:l1": {}, "f:l2": {} },
  });
});

const words = constantFrom("a", "b", "c");
const port = record(
  { port: constantFrom(80, 81, 82), protocol: constantFrom("TCP", "UDP"), name: words },
  { requiredKeys: ["port", "protocol"] },
);
/** Of nothing that `config` has, in the same lists and maps. */
const others = constantFrom("d", "e", "f");
const otherConfig = record(
  {
    labels: dictionary(others, words, { minKeys: 1 }),
    tags: uniqueArray(others, { minLength: 1 }),
    free: dictionary(others, record({ x: nat(2) }), { minKeys: 1 }),
    ports: uniqueArray(record({ port: constantFrom(90, 91), name: words }), {
      minLength: 1,
      selector: (item) => item.port,
    }),
  },
  { requiredKeys: [] },
);
const config = record(
  {
    replicas: nat(3),
    name: words,
    labels: dictionary(words, words, { minKeys: 1 }),
    whole: dictionary(words, words, { minKeys: 1 }),
    list: array(words, { minLength: 1 }),
    tags: uniqueArray(words, { minLength: 1 }),
    free: dictionary(words, record({ x: nat(2) }), { minKeys: 1 }),
    ports: uniqueArray(port, { minLength: 1, selector: (item) => `${item.port}${item.protocol}` }),
    deep: record({ a: nat(2), b: nat(2) }),
  },
  { requiredKeys: [] },
);

test("to apply twice is to apply once", () => {
  assert(
    property(config, config, (one, two) => {
      const state = apply(apply(nothing, "one", one), "two", two, true);
      const again = apply(state, "two", two, true);
      expect(again.object).toEqual(state.object);
      expect(owned(again, "two")).toEqual(owned(state, "two"));
      expect(owned(again, "one")).toEqual(owned(state, "one"));
    }),
  );
});

test("what was applied and is given up leaves the rest as it was", () => {
  assert(
    property(config, otherConfig, (rest, mine) => {
      const before = update(nothing, "hand", rest);
      const gone = apply(apply(before, "me", mine), "me", {});
      expect(sorted(gone.object)).toEqual(sorted(before.object));
      expect(owned(gone, "hand", "Update")).toEqual(owned(before, "hand", "Update"));
    }),
  );
});

test("it conflicts exactly when another owns a differing value", () => {
  assert(
    property(config, config, (one, two) => {
      const first = apply(nothing, "one", one);
      const second = apply(nothing, "two", two);
      const applied = tryApply(first, "two", two);
      const differs = [...pathsOf(parseFields(owned(first, "one")) ?? noFields)].some((path) => {
        const [mine, theirs] = [valueAt(first.object, path), valueAt(second.object, path)];
        return isScalarLike(mine, path) && theirs !== undefined && !Bun.deepEquals(mine, theirs);
      });
      expect(applied.kind === "conflicts").toBe(differs);
    }),
    { numRuns: 300 },
  );
});

/** Lists that are merged have no order of their own. */
function sorted(object: unknown): unknown {
  const value = object as Record<string, unknown>;
  const entries = Object.entries(value).map(([name, field]) =>
    name === "tags" || name === "ports"
      ? [name, [...(field as unknown[])].sort((l, r) => (JSON.stringify(l) < JSON.stringify(r) ? -1 : 1))]
      : [name, field],
  );
  return Object.fromEntries(entries.filter(([, field]) => field !== undefined));
}

function valueAt(object: unknown, path: readonly string[]): unknown {
  let at = object;
  for (const element of path) {
    if (Array.isArray(at)) {
      at = at.find((item) =>
        element.startsWith("v:")
          ? `v:${JSON.stringify(item)}` === element
          : `k:${JSON.stringify({ port: item.port, protocol: item.protocol })}` === element,
      );
    } else at = (at as Record<string, unknown> | undefined)?.[element.slice(2)];
  }
  return at;
}

function isScalarLike(value: unknown, path: readonly string[]): boolean {
  return typeof value !== "object" || path[0] === "f:whole" || path[0] === "f:list";
}

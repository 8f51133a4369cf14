/** The three kinds of patch, by the examples of their specifications. */
import { expect, test } from "bun:test";
import { jsonPatch } from "./json-patch.ts";
import { mergePatch } from "./merge-patch.ts";
import { strategicPatch } from "./strategic-patch.ts";

const merges: readonly [document: unknown, patch: unknown, want: unknown][] = [
  [{ a: "b" }, { a: "c" }, { a: "c" }],
  [{ a: "b" }, { b: "c" }, { a: "b", b: "c" }],
  [{ a: "b" }, { a: null }, {}],
  [{ a: "b", b: "c" }, { a: null }, { b: "c" }],
  [{ a: ["b"] }, { a: "c" }, { a: "c" }],
  [{ a: "c" }, { a: ["b"] }, { a: ["b"] }],
  [{ a: { b: "c" } }, { a: { b: "d", c: null } }, { a: { b: "d" } }],
  [{ a: [{ b: "c" }] }, { a: [1] }, { a: [1] }],
  [
    ["a", "b"],
    ["c", "d"],
    ["c", "d"],
  ],
  [{ a: "b" }, ["c"], ["c"]],
  [{ a: "foo" }, null, null],
  [{ a: "foo" }, "bar", "bar"],
  [{ e: null }, { a: 1 }, { e: null, a: 1 }],
  [[1, 2], { a: "b", c: null }, { a: "b" }],
  [{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }],
];

test.each(merges)("mergePatch(%j, %j)", (document, patch, want) => {
  expect(mergePatch(document, patch)).toEqual(want);
});

test("mergePatch() takes __proto__ as a field like any other", () => {
  const merged = mergePatch({}, JSON.parse('{"__proto__": {"x": 1}}'));
  expect(JSON.stringify(merged)).toBe('{"__proto__":{"x":1}}');
  expect(Object.getPrototypeOf(merged)).toBe(Object.prototype);
});

const jsonPatches: readonly [document: unknown, patch: unknown, want: unknown][] = [
  [{ foo: "bar" }, [{ op: "add", path: "/baz", value: "qux" }], { foo: "bar", baz: "qux" }],
  [{ foo: ["bar", "baz"] }, [{ op: "add", path: "/foo/1", value: "qux" }], { foo: ["bar", "qux", "baz"] }],
  [{ foo: ["bar"] }, [{ op: "add", path: "/foo/-", value: "qux" }], { foo: ["bar", "qux"] }],
  [{ baz: "qux", foo: "bar" }, [{ op: "remove", path: "/baz" }], { foo: "bar" }],
  [{ foo: ["a", "b", "c"] }, [{ op: "remove", path: "/foo/1" }], { foo: ["a", "c"] }],
  [{ baz: "qux" }, [{ op: "replace", path: "/baz", value: "boo" }], { baz: "boo" }],
  [{}, [{ op: "replace", path: "/new", value: "boo" }], { new: "boo" }],
  [{ a: { b: 1 }, c: {} }, [{ op: "move", from: "/a/b", path: "/c/d" }], { a: {}, c: { d: 1 } }],
  [{ foo: [1, 2, 3] }, [{ op: "move", from: "/foo/0", path: "/foo/2" }], { foo: [2, 3, 1] }],
  [{ a: { b: 1 } }, [{ op: "copy", from: "/a", path: "/c" }], { a: { b: 1 }, c: { b: 1 } }],
  [{ baz: "qux" }, [{ op: "test", path: "/baz", value: "qux" }], { baz: "qux" }],
  [{ "a/b": 1, "m~n": 2 }, [{ op: "replace", path: "/a~1b", value: 3 }], { "a/b": 3, "m~n": 2 }],
  [{ "m~n": 2 }, [{ op: "remove", path: "/m~0n" }], {}],
  [{ a: 1 }, [{ op: "replace", path: "", value: { b: 2 } }], { b: 2 }],
  [{ a: null }, [{ op: "test", path: "/a", value: null }], { a: null }],
  [
    { metadata: { annotations: {} } },
    [{ op: "add", path: "/metadata/annotations/x.y~1z", value: "v" }],
    { metadata: { annotations: { "x.y/z": "v" } } },
  ],
];

test.each(jsonPatches)("jsonPatch(%j, %j)", (document, patch, want) => {
  expect(jsonPatch(structuredClone(document), patch)).toEqual({ ok: true, value: want });
});

test.each([
  [{}, "no array"],
  [{}, [1]],
  [{}, [{ op: "add", path: "a", value: 1 }]],
  [{}, [{ op: "add", path: "/a" }]],
  [{}, [{ op: "add", path: "/a/b", value: 1 }]],
  [{}, [{ op: "remove", path: "/a" }]],
  [{}, [{ op: "replace", path: "/a/b", value: 1 }]],
  [{ a: [1] }, [{ op: "replace", path: "/a/1", value: 1 }]],
  [{ a: 1 }, [{ op: "replace", path: "/a/b", value: 1 }]],
  [{ a: [1] }, [{ op: "add", path: "/a/3", value: 1 }]],
  [{ a: [1] }, [{ op: "add", path: "/a/01", value: 1 }]],
  [{ a: 1 }, [{ op: "test", path: "/a", value: 2 }]],
  [{ a: 1 }, [{ op: "frobnicate", path: "/a" }]],
  [{ a: { b: 1 } }, [{ op: "move", from: "/a", path: "/a/b" }]],
  [{ a: 1 }, [{ op: "copy", from: "/b", path: "/c" }]],
  [
    { a: "x".repeat(1 << 20) },
    Array.from({ length: 4 }, (_, i) => ({ op: "copy", from: "/a", path: `/${i}` })),
  ],
] as const)("jsonPatch() refuses case %#", (document, patch) => {
  expect(jsonPatch(structuredClone(document), patch).ok).toBeFalse();
});

const strategic: readonly [document: unknown, patch: unknown, want: unknown][] = [
  [
    { metadata: { labels: { a: "1" } } },
    { metadata: { labels: { b: "2" } } },
    { metadata: { labels: { a: "1", b: "2" } } },
  ],
  [{ metadata: { labels: { a: "1" } } }, { metadata: { labels: { a: null } } }, { metadata: { labels: {} } }],
  [
    { spec: { ports: [{ port: 80, name: "http" }] } },
    { spec: { ports: [{ port: 443, name: "https" }] } },
    {
      spec: {
        ports: [
          { port: 443, name: "https" },
          { port: 80, name: "http" },
        ],
      },
    },
  ],
  [
    { spec: { ports: [{ port: 80, name: "http" }] } },
    { spec: { "$setElementOrder/ports": [{ port: 80 }], ports: [{ port: 80, name: "web" }] } },
    { spec: { ports: [{ port: 80, name: "web" }] } },
  ],
  [
    { spec: { ports: [{ port: 80 }, { port: 81 }] } },
    { spec: { ports: [{ port: 80, $patch: "delete" }] } },
    { spec: { ports: [{ port: 81 }] } },
  ],
  [
    { spec: { ports: [{ port: 80 }] } },
    { spec: { ports: [{ $patch: "replace" }, { port: 9 }] } },
    { spec: { ports: [{ port: 9 }] } },
  ],
  [{ a: { b: 1, c: 2 } }, { a: { $patch: "replace", d: 3 } }, { a: { d: 3 } }],
  [{ a: { b: 1 } }, { a: { $patch: "delete" } }, { a: {} }],
  [{ a: { b: 1, c: 2 } }, { a: { $retainKeys: ["c"], c: 3 } }, { a: { c: 3 } }],
  [
    { metadata: { finalizers: ["a"] } },
    { metadata: { finalizers: ["a", "b"] } },
    { metadata: { finalizers: ["a", "b"] } },
  ],
  [
    { metadata: { finalizers: ["a", "b"] } },
    { metadata: { "$deleteFromPrimitiveList/finalizers": ["a"], "$setElementOrder/finalizers": ["b"] } },
    { metadata: { finalizers: ["b"] } },
  ],
  [{ list: [1, 2] }, { list: [3] }, { list: [3] }],
];

/** Lists as the built-in kinds declare them. */
const merged = { type: "array", "x-kubernetes-patch-strategy": "merge" };
const keyed = (key: string): object => ({
  ...merged,
  "x-kubernetes-patch-merge-key": key,
  items: {
    type: "object",
    properties: { env: { ...merged, "x-kubernetes-patch-merge-key": "name", items: { type: "object" } } },
  },
});
const declared = {
  type: "object",
  properties: {
    ports: keyed("port"),
    conditions: keyed("type"),
    ownerReferences: keyed("uid"),
    containers: keyed("name"),
    finalizers: merged,
    strategy: { type: "object", "x-kubernetes-patch-strategy": "retainKeys" },
    whole: { type: "object", "x-kubernetes-patch-strategy": "replace" },
    metadata: { type: "object", properties: { finalizers: merged } },
    spec: { type: "object", properties: { ports: keyed("port") } },
  },
};

test.each(strategic)("strategicPatch(%j, %j)", (document, patch, want) => {
  expect(strategicPatch(document, patch, declared)).toEqual(want);
});

test.each([
  [{}, 1],
  [{}, { a: { $patch: "unknown" } }],
  [{}, { a: { $patch: "merge" } }],
  [{ ports: [] }, { ports: [1] }],
  [{ ports: [] }, { ports: [{ name: "no key" }] }],
  [{ ports: [] }, { ports: [{ $patch: "delete" }] }],
  [{ ports: [] }, { ports: [{ port: 1, $patch: "merge" }] }],
  [{ ports: [] }, { ports: [{ port: 1, $patch: "unknown" }] }],
  [{ ports: [] }, { "$setElementOrder/ports": [{ port: 1 }], ports: [{ port: 2 }] }],
  [{}, { "$setElementOrder/ports": 1 }],
  [{}, { "$deleteFromPrimitiveList/finalizers": 1 }],
  [{}, { $retainKeys: 1 }],
  [{}, { $retainKeys: ["a"], b: 1 }],
])("strategicPatch() refuses case %#", (document, patch) => {
  expect(() => strategicPatch(document, patch, declared)).toThrow();
});

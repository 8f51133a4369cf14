import { expect, test } from "bun:test";
import * as fc from "fast-check";
import { parseObjects } from "./read-objects.ts";

test("parseObjects() reads several documents and opens lists", () => {
  const text = `# a comment
---
apiVersion: v1
kind: Namespace
metadata: { name: a }
---
apiVersion: v1
kind: List
items:
  - { apiVersion: v1, kind: ConfigMap, metadata: { name: b } }
---
`;
  const read = parseObjects("f.yaml", text);
  expect(read.ok && read.value.map((object) => `${object.kind} ${object.metadata.name}`)).toEqual([
    "Namespace a",
    "ConfigMap b",
  ]);
});

test.each([
  [
    "no YAML",
    "a: [1",
    "f.yaml:1:6: not YAML: Flow sequence in block collection must be sufficiently indented and end with a ]",
  ],
  ["a key twice", "apiVersion: v1\nkind: A\nkind: B\n", "f.yaml:3:1: not YAML: Map keys must be unique"],
  [
    "a text",
    "hello",
    "f.yaml:1:1: not a Kubernetes object: it must be a map with apiVersion, kind and metadata",
  ],
  ["no kind", "apiVersion: v1", 'f.yaml:1:1: not a Kubernetes object: the field "kind" is missing'],
  [
    "no name",
    "apiVersion: v1\nkind: A",
    'f.yaml:1:1: not a Kubernetes object: the field "metadata.name" is missing',
  ],
] as const)("parseObjects() refuses: %s", (_, text, want) => {
  const read = parseObjects("f.yaml", text);
  expect(read.ok ? [] : read.error).toContain(want);
});

test("parseObjects() never throws", () => {
  fc.assert(
    fc.property(fc.string(), (text) => {
      expect(typeof parseObjects("f", text).ok).toBe("boolean");
    }),
  );
});

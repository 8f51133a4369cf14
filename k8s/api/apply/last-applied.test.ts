/** The annotation of kubectl's old way of applying. */
import { expect, test } from "bun:test";
import type { WorkingObject } from "../working-object.ts";
import { noFields } from "./field-set.ts";
import { lastApplied, rememberApplied } from "./last-applied.ts";
import { nobody, type Writer } from "./managers.ts";

const key = "kubectl.kubernetes.io/last-applied-configuration";
const kubectl: Writer = { manager: "kubectl", operation: "Apply", apiVersion: "v1", subresource: "" };

function live(annotation: string): WorkingObject {
  const metadata = { name: "x", annotations: { [key]: annotation } };
  // Sound: only the annotations are read.
  return { apiVersion: "v1", kind: "ConfigMap", metadata } as unknown as WorkingObject;
}

test.each<[string, string, Writer, unknown]>([
  ["kubectl's own", '{"apiVersion":"v1","data":{}}', kubectl, { apiVersion: "v1", data: {} }],
  ["another manager's", '{"apiVersion":"v1"}', { ...kubectl, manager: "other" }, undefined],
  ["another version's", '{"apiVersion":"v2"}', kubectl, undefined],
  ["no JSON", "{", kubectl, undefined],
  ["no object", "[]", kubectl, undefined],
])("lastApplied() reads %s", (_, annotation, writer, want) => {
  expect(lastApplied(live(annotation), writer)).toEqual(want as never);
});

test("rememberApplied() writes the configuration with its fields in order, and without the annotation", () => {
  const write = { schema: {}, writer: kubectl, ignored: noFields, at: "" };
  const applied = { object: live("old"), managers: nobody };
  const config = {
    kind: "K",
    apiVersion: "v1",
    metadata: { annotations: { [key]: "old", b: "1" } },
    list: [{ z: 1, a: 2 }],
  };
  const { object } = rememberApplied(applied, write, config);
  const { metadata } = object as WorkingObject;
  expect(metadata.annotations?.[key]).toBe(
    '{"apiVersion":"v1","kind":"K","list":[{"a":2,"z":1}],"metadata":{"annotations":{"b":"1"}}}\n',
  );
  const other = { ...write, writer: { ...kubectl, manager: "other" } };
  expect(rememberApplied(applied, other, config)).toBe(applied);
});

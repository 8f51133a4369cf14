/** What a CustomResourceDefinition makes of its kind beyond names and schemas. */
import { expect, test } from "bun:test";
import type { KindDefinition } from "../kind.ts";
import { kindOfDefinition } from "./definition-kind.ts";

function kindWith(version: object, more: readonly object[] = []): KindDefinition {
  const schema = { openAPIV3Schema: { type: "object" } };
  return kindOfDefinition({
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: "things.a.b", uid: "u", resourceVersion: "1", creationTimestamp: "" },
    spec: {
      group: "a.b",
      scope: "Namespaced",
      names: { plural: "things", singular: "thing", kind: "Thing", listKind: "ThingList" },
      versions: [{ name: "v1", served: true, storage: true, schema, ...version }, ...more],
    },
  });
}

const paths = { specReplicasPath: ".spec.n", statusReplicasPath: ".status.n" };

test.each([
  [{}, undefined],
  [{ subresources: { status: {} } }, undefined],
  [{ subresources: { scale: paths } }, { specReplicas: ".spec.n", statusReplicas: ".status.n" }],
  [
    { subresources: { scale: { ...paths, labelSelectorPath: ".status.s" } } },
    { specReplicas: ".spec.n", statusReplicas: ".status.n", labelSelector: ".status.s" },
  ],
])("the scale of a version with %j is %j", (version, want) => {
  expect(kindWith(version).scale).toEqual(want as never);
});

test("fields of any version can be selected by", () => {
  const kind = kindWith({ selectableFields: [{ jsonPath: ".spec.color" }] }, [
    { name: "v2", served: true, storage: false, selectableFields: [{ jsonPath: ".spec.size" }], schema: {} },
  ]);
  const object = {
    apiVersion: "a.b/v1",
    kind: "Thing",
    metadata: {} as never,
    spec: { color: "red", size: 3 },
  };
  expect(kind.fields?.names).toEqual(["spec.color", "spec.size"]);
  expect(kind.fields?.valuesOf(object)).toEqual({ "spec.color": "red", "spec.size": "3" });
  expect(kindWith({}).fields).toBeUndefined();
});

function otherVersion(name: string, served: boolean): object {
  return { name, served, storage: false, schema: {} };
}

test("versions that are not served are not there, and the others come in order", () => {
  const kind = kindWith({}, [
    otherVersion("v1beta1", true),
    otherVersion("v2", true),
    otherVersion("v3", false),
  ]);
  expect(kind.versions.map(({ name }) => name)).toEqual(["v2", "v1", "v1beta1"]);
  expect(kind.storageVersion).toBe("v1");
});

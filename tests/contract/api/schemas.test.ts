/** Schemas of definitions: which are structural, and how those that are not are told. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { type ApiUnderTest, openApiUnderTest, textOf } from "./api-under-test.ts";

const path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
const group = `s${crypto.randomUUID().slice(0, 8)}.schemas.test`;

let api: ApiUnderTest;
beforeAll(() => {
  api = openApiUnderTest();
});
afterAll(async () => {
  await api[Symbol.asyncDispose]();
});

let serial = 0;

/** Tries a definition whose objects have this `spec`. */
async function tell(spec: object): Promise<string> {
  const plural = `s${++serial}`;
  const schema = { openAPIV3Schema: { type: "object", properties: { spec } } };
  const { status, body } = await api.ask("POST", `${path}?dryRun=All`, {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: `${plural}.${group}` },
    spec: {
      group,
      scope: "Namespaced",
      names: { plural, singular: plural, kind: `K${plural}` },
      versions: [{ name: "v1", served: true, storage: true, schema }],
    },
  });
  if (status < 400) return "taken";
  return textOf(body["message"])
    .replace(/^.*? is invalid: /, "")
    .replaceAll("spec.validation.openAPIV3Schema.properties[spec]", "S");
}

const text = { type: "string" };
const map = { type: "array", "x-kubernetes-list-type": "map" };
const open = { "x-kubernetes-preserve-unknown-fields": true };
const embedded = { "x-kubernetes-embedded-resource": true };
const keyed = (properties: object, more: object = {}): object => ({ type: "object", properties, ...more });

test.each<[object, string]>([
  [{ type: "object", additionalProperties: false }, "taken"],
  [{ type: "integer", default: null }, "taken"],
  [{ type: "integer", nullable: true, default: null }, "taken"],
  [{ "x-kubernetes-int-or-string": true, anyOf: [{ type: "integer" }, { type: "string" }] }, "taken"],
  [{ ...embedded, type: "object", ...open }, "taken"],
  [keyed({ a: { type: "integer" } }, { required: ["zz"] }), "taken"],
  [{ type: "object", oneOf: [{ required: ["a"] }] }, "taken"],
  [{ ...open }, "taken"],
  [{ properties: {} }, "S.type: Required value: must not be empty for specified object fields"],
  [keyed({ a: {} }), "S.properties[a].type: Required value: must not be empty for specified object fields"],
  [{ type: "array", items: {} }, "S.items.type: Required value: must not be empty for specified array items"],
  [
    { type: "foo" },
    'S.type: Unsupported value: "foo": supported values: "array", "boolean", "integer", "number", "object", "string"',
  ],
  [{ type: "array" }, "S.items: Required value: must be specified"],
  [{ type: "array", items: [text] }, "S.items: Forbidden: items must be a schema object and not an array"],
  [
    keyed({ a: text }, { additionalProperties: text }),
    "S.additionalProperties: Forbidden: additionalProperties and properties are mutual exclusive",
  ],
  [
    keyed({ a: { type: "integer", default: "x" } }),
    'S.properties[a].default: Invalid value: "string":  in body must be of type integer: "string"',
  ],
  [
    keyed({ a: { type: "integer" } }, { default: { b: 1 } }),
    'S.default: Invalid value: {"b":1}: must not have unknown fields',
  ],
  [{ type: "string", enum: ["a"], default: "b" }, 'S.default: Unsupported value: "b": supported values: "a"'],
  [
    { ...embedded, type: "object" },
    "S.properties: Required value: must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields",
  ],
  [
    { type: "object", "x-kubernetes-preserve-unknown-fields": false },
    "S.x-kubernetes-preserve-unknown-fields: Invalid value: false: must be true or undefined",
  ],
  [
    { ...map, items: keyed({ k: text }) },
    "S.x-kubernetes-list-map-keys: Required value: must not be empty if x-kubernetes-list-type is map",
  ],
  [
    { ...map, "x-kubernetes-list-map-keys": ["k"], items: keyed({ k: text }) },
    "S.items.properties[k].default: Required value: this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property",
  ],
  [
    { ...map, "x-kubernetes-list-map-keys": ["z"], items: keyed({ k: text }, { required: ["z"] }) },
    'S.x-kubernetes-list-map-keys: Invalid value: ["z"]: entries must all be names of item properties',
  ],
  [
    {
      ...map,
      "x-kubernetes-list-map-keys": ["k", "k"],
      items: keyed({ k: { type: "object" } }, { required: ["k"] }),
    },
    '[S.items.properties[k].type: Invalid value: "object": must be a scalar type if parent array\'s x-kubernetes-list-type is map, S.x-kubernetes-list-map-keys: Invalid value: ["k","k"]: must not contain duplicate entries]',
  ],
  [
    { type: "array", "x-kubernetes-list-type": "foo", items: text },
    'S.x-kubernetes-list-type: Unsupported value: "foo": supported values: "atomic", "set", "map"',
  ],
  [
    { type: "object", "x-kubernetes-list-type": "set" },
    'S.type: Invalid value: "object": must be array if x-kubernetes-list-type is specified',
  ],
  [
    { type: "array", "x-kubernetes-list-type": "set", items: { type: "object" } },
    "S.items.x-kubernetes-map-type: Invalid value: null: must be atomic as item of a list with x-kubernetes-list-type=set",
  ],
  [
    { type: "object", "x-kubernetes-map-type": "foo" },
    'S.x-kubernetes-map-type: Unsupported value: "foo": supported values: "atomic", "granular"',
  ],
  [
    { type: "string", "x-kubernetes-map-type": "atomic" },
    'S.type: Invalid value: "string": must be object if x-kubernetes-map-type is specified',
  ],
  [
    { type: "array", uniqueItems: true, items: text },
    "S.uniqueItems: Forbidden: uniqueItems cannot be set to true since the runtime complexity becomes quadratic",
  ],
  [{ type: "string", $ref: "x" }, "S.$ref: Forbidden: $ref is not supported"],
  [{ type: "object", definitions: { x: text } }, "S.definitions: Forbidden: definitions is not supported"],
  [
    { type: "object", patternProperties: { x: text } },
    "S.patternProperties: Forbidden: patternProperties is not supported",
  ],
  [{ type: "object", not: text }, "S.not.type: Forbidden: must be empty to be structural"],
  [
    { type: "object", allOf: [{ description: "x" }] },
    "S.allOf[0].description: Forbidden: must be empty to be structural",
  ],
  [
    keyed({ q: { type: "integer" } }, { anyOf: [{ properties: { q: { type: "integer" } } }] }),
    "S.anyOf[0].properties[q].type: Forbidden: must be empty to be structural",
  ],
])("%j is %s", async (spec, want) => {
  expect(await tell(spec)).toBe(want);
});

test("a pattern that is no expression is told", async () => {
  expect(await tell({ type: "string", pattern: "[" })).toStartWith(
    'S.pattern: Invalid value: "[": must be a valid regular expression, but isn\'t: ',
  );
});

const labelRule =
  "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')";

/** What of a plain definition is another way. */
interface Change {
  readonly spec?: object;
  readonly version?: object;
  readonly names?: object;
  readonly metadata?: object;
}

test.each<[Change, string]>([
  [
    { spec: { group: "nodot" } },
    '[metadata.name: Invalid value: "things.g.test": must be spec.names.plural+"."+spec.group, spec.group: Invalid value: "nodot": should be a domain with at least one dot]',
  ],
  [
    { spec: { group: "" } },
    '[metadata.name: Invalid value: "things.g.test": must be spec.names.plural+"."+spec.group, spec.group: Required value]',
  ],
  [
    { spec: { scope: "Galaxy" } },
    'spec.scope: Unsupported value: "Galaxy": supported values: "Cluster", "Namespaced"',
  ],
  [{ spec: { scope: "" } }, "spec.scope: Required value"],
  [
    { names: { plural: "Bad" } },
    '[metadata.name: Invalid value: "things.g.test": must be spec.names.plural+"."+spec.group, spec.names.plural: Invalid value: "Bad": LABEL]',
  ],
  [
    { names: { kind: "bad-" } },
    'spec.names.kind: Invalid value: "bad-": may have mixed case, but should otherwise match: LABEL',
  ],
  [{ names: { singular: "Bad" } }, 'spec.names.singular: Invalid value: "Bad": LABEL'],
  [{ names: { shortNames: ["Bad"] } }, 'spec.names.shortNames[0]: Invalid value: "Bad": LABEL'],
  [{ names: { categories: ["Bad"] } }, 'spec.names.categories[0]: Invalid value: "Bad": LABEL'],
  [
    { names: { listKind: "Thing" } },
    'spec.names.listKind: Invalid value: "Thing": kind and listKind may not be the same',
  ],
  [
    { metadata: { name: "x.y.z" } },
    'metadata.name: Invalid value: "x.y.z": must be spec.names.plural+"."+spec.group',
  ],
  [
    { spec: { versions: [] } },
    "[spec.versions: Invalid value: []: must have exactly one version marked as storage version, status.storedVersions: Invalid value: null: must have at least one stored version]",
  ],
  [
    { version: { storage: false } },
    '[spec.versions: Invalid value: [{"Name":"v1","Served":true,"Storage":false,"Deprecated":false,"DeprecationWarning":null,"Schema":null,"Subresources":null,"AdditionalPrinterColumns":null,"SelectableFields":null}]: must have exactly one version marked as storage version, status.storedVersions: Invalid value: null: must have at least one stored version]',
  ],
  [
    { version: { name: "V1" } },
    '[spec.versions[0].name: Invalid value: "V1": LABEL, spec.version: Invalid value: "V1": LABEL]',
  ],
  [
    { spec: { preserveUnknownFields: true } },
    "spec.preserveUnknownFields: Invalid value: true: cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead",
  ],
  [{ version: { schema: {} } }, "spec.versions[0].schema.openAPIV3Schema: Required value"],
  [
    { version: { subresources: { scale: { specReplicasPath: "x", statusReplicasPath: ".status.r" } } } },
    'spec.subresources.scale.specReplicasPath: Invalid value: "x": must be a simple json path starting with .',
  ],
  [
    {
      version: { subresources: { scale: { specReplicasPath: ".status.a", statusReplicasPath: ".spec.r" } } },
    },
    '[spec.subresources.scale.specReplicasPath: Invalid value: ".status.a": should be a json path under .spec, spec.subresources.scale.statusReplicasPath: Invalid value: ".spec.r": should be a json path under .status]',
  ],
  [
    { version: { subresources: { scale: {} } } },
    "[spec.subresources.scale.specReplicasPath: Required value, spec.subresources.scale.statusReplicasPath: Required value]",
  ],
  [
    {
      version: {
        subresources: {
          scale: {
            specReplicasPath: ".spec.a",
            statusReplicasPath: ".status.r",
            labelSelectorPath: ".metadata.x",
          },
        },
      },
    },
    'spec.subresources.scale.labelSelectorPath: Invalid value: ".metadata.x": should be a json path under either .spec or .status',
  ],
  [
    { version: { additionalPrinterColumns: [{ name: "", type: "foo", jsonPath: "x" }] } },
    '[spec.additionalPrinterColumns[0].name: Required value, spec.additionalPrinterColumns[0].type: Invalid value: "foo": must be one of boolean,date,integer,number,string, spec.additionalPrinterColumns[0].JSONPath: Invalid value: "x": must be a simple json path starting with .]',
  ],
  [
    {
      version: {
        additionalPrinterColumns: [{ name: "A", type: "string", jsonPath: ".spec.a", format: "zz" }],
      },
    },
    'spec.additionalPrinterColumns[0].format: Invalid value: "zz": must be one of byte,date,date-time,double,float,int32,int64,password',
  ],
  [
    { version: { selectableFields: [{ jsonPath: ".spec.zz" }] } },
    'spec.selectableFields[0].jsonPath: Invalid value: ".spec.zz": is an invalid path: does not refer to a valid field',
  ],
  [
    { version: { selectableFields: [{ jsonPath: "spec.a" }, { jsonPath: ".metadata.name" }] } },
    '[spec.selectableFields[0].jsonPath: Invalid value: "spec.a": is an invalid path: expected [ or . but got: spec, spec.selectableFields[1].jsonPath: Invalid value: ".metadata.name": is an invalid path: does not refer to a valid field]',
  ],
  [
    { version: { selectableFields: [{ jsonPath: ".spec.a" }, { jsonPath: ".spec.a" }] } },
    'spec.selectableFields[1].jsonPath: Duplicate value: ".spec.a"',
  ],
  [
    { version: { selectableFields: [{ jsonPath: ".spec" }] } },
    'spec.selectableFields[0].jsonPath: Invalid value: ".spec": must point to a field of type string, boolean or integer. Enum string fields and strings with formats are allowed.',
  ],
  [
    { version: { deprecationWarning: "x" } },
    'spec.versions[0].deprecationWarning: Invalid value: "x": can only be set for deprecated versions',
  ],
  [{ version: { served: false } }, "taken"],
])("a definition with %j is %s", async ({ spec, version, names, metadata }, want) => {
  const properties = {
    spec: { type: "object", properties: { a: { type: "integer" } } },
    status: { type: "object", properties: { r: { type: "integer" } } },
  };
  const schema = { openAPIV3Schema: { type: "object", properties } };
  const { status, body } = await api.ask("POST", `${path}?dryRun=All`, {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: "things.g.test", ...metadata },
    spec: {
      group: "g.test",
      scope: "Namespaced",
      names: { plural: "things", kind: "Thing", singular: "thing", ...names },
      versions: [{ name: "v1", served: true, storage: true, schema, ...version }],
      ...spec,
    },
  });
  const message = textOf(body["message"]).replace(/^.*? is invalid: /, "");
  expect(status < 400 ? "taken" : message.replaceAll(labelRule, "LABEL")).toBe(want);
});

/** Reading values as Kubernetes' types: what is kept, what goes, and what is said of what cannot be read. */
import { expect, test } from "bun:test";
import { assert, anything, dictionary, property, string } from "fast-check";
import type { JsonObject } from "../json.ts";
import { decodeObject } from "./decode.ts";
import { readKubeSchemas } from "./kube-schemas.ts";

const schemas = readKubeSchemas();

function decode(type: string, object: JsonObject): unknown {
  const copy = structuredClone(object);
  const { unknown, error } = decodeObject(copy, schemas.resolve(`io.k8s.api.${type}`));
  if (error !== undefined) return error;
  const { apiVersion: _version, kind: _kind, metadata: _metadata, ...rest } = copy;
  return unknown.length === 0 ? rest : [rest, unknown];
}

const container = { name: "a" };
const into = "json: cannot unmarshal";

test.each<[what: string, type: string, object: JsonObject, want: unknown]>([
  ["what it knows", "core.v1.ConfigMap", { data: { a: "b" } }, { data: { a: "b" } }],
  ["no empty maps", "core.v1.ConfigMap", { data: {}, binaryData: {} }, {}],
  ["no null", "core.v1.ConfigMap", { data: null, immutable: null }, {}],
  ["null in a map of texts as an empty one", "core.v1.ConfigMap", { data: { a: null } }, { data: { a: "" } }],
  [
    "no null in a map of amounts",
    "core.v1.Node",
    { status: { capacity: { cpu: null, memory: 1 } } },
    { status: { capacity: { memory: "1" } } },
  ],
  [
    "null in a list of texts as an empty one",
    "core.v1.Pod",
    { spec: { containers: [{ ...container, args: [null, "b"] }] } },
    { spec: { containers: [{ ...container, args: ["", "b"] }] } },
  ],
  [
    "null in a list of structs as an empty one",
    "core.v1.Pod",
    { spec: { containers: [null] } },
    { spec: { containers: [{}] } },
  ],
  [
    "unknown fields by name, without them",
    "core.v1.Pod",
    { foo: 1, spec: { containers: [{ ...container, bar: 1 }] } },
    [{ spec: { containers: [container] } }, ["foo", "spec.containers[0].bar"]],
  ],
  [
    "an empty list that is required",
    "core.v1.Pod",
    { spec: { containers: [] } },
    { spec: { containers: [] } },
  ],
  [
    "no zero that says nothing",
    "core.v1.Pod",
    { spec: { hostNetwork: false, nodeName: "", priority: 0 } },
    { spec: { priority: 0 } },
  ],
  [
    "a number or a text",
    "core.v1.Service",
    {
      spec: {
        ports: [
          { port: 1, targetPort: "a" },
          { port: 2, targetPort: 3 },
        ],
      },
    },
    {
      spec: {
        ports: [
          { port: 1, targetPort: "a" },
          { port: 2, targetPort: 3 },
        ],
      },
    },
  ],
  ["whatever a field takes", "core.v1.Secret", { data: { a: "YQ==\n" } }, { data: { a: "YQ==\n" } }],
  [
    "a time",
    "coordination.v1.Lease",
    { spec: { renewTime: "2026-01-01T00:00:00.5Z" } },
    { spec: { renewTime: "2026-01-01T00:00:00.5Z" } },
  ],
])("keeps %s", (_, type, object, want) => {
  expect(decode(type, object)).toEqual(want as never);
});

test.each<[type: string, object: JsonObject, error: string]>([
  [
    "core.v1.ConfigMap",
    { data: 5 },
    `${into} number into Go struct field ConfigMap.data of type map[string]string`,
  ],
  [
    "core.v1.ConfigMap",
    { immutable: [] },
    `${into} array into Go struct field ConfigMap.immutable of type bool`,
  ],
  [
    "core.v1.ConfigMap",
    { binaryData: { a: 5 } },
    `${into} number into Go struct field ConfigMap.binaryData of type []uint8`,
  ],
  [
    "core.v1.Service",
    { spec: { ports: [{ targetPort: true }] } },
    `${into} bool into Go struct field ServicePort.spec.ports.targetPort of type int32`,
  ],
  [
    "core.v1.Service",
    { spec: { ports: [{ port: 2 ** 31 }] } },
    `${into} number 2147483648 into Go struct field ServicePort.spec.ports.port of type int32`,
  ],
  ["core.v1.Pod", { spec: [] }, `${into} array into Go struct field Pod.spec of type v1.PodSpec`],
  [
    "core.v1.Pod",
    { spec: { priority: {} } },
    `${into} object into Go struct field PodSpec.spec.priority of type int32`,
  ],
  ["core.v1.Secret", { data: { a: "ab=c" } }, "illegal base64 data at input byte 0"],
  [
    "core.v1.Node",
    { status: { capacity: { cpu: true } } },
    "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'",
  ],
  [
    "coordination.v1.Lease",
    { spec: { renewTime: "x" } },
    'parsing time "x" as "2006-01-02T15:04:05Z07:00": cannot parse "x" as "2006"',
  ],
  [
    "core.v1.ConfigMap",
    { metadata: { labels: [] } },
    `${into} array into Go struct field ObjectMeta.metadata.labels of type map[string]string`,
  ],
])("says why %s %j cannot be read", (type, object, error) => {
  expect(decode(type, object)).toBe(error);
});

test("decodeObject() finds an answer for whatever comes", () => {
  const pod = schemas.resolve("io.k8s.api.core.v1.Pod");
  assert(
    property(dictionary(string(), anything()), anything(), (metadata, spec) => {
      const object: JsonObject = JSON.parse(JSON.stringify({ metadata, spec })) as JsonObject;
      decodeObject(object, pod);
    }),
  );
});

/** What built-in kinds refuse and fill in, asked of an API that serves them. */
import { afterAll, describe, expect, test } from "bun:test";
import { systemClock } from "#host/clock.ts";
import { KubeError } from "#host/kube/kube-error.ts";
import type { KubeObject, ResourceType } from "#host/kube/object.ts";
import { silentLog } from "#host/log.ts";
import { secretResource } from "#host/kube/known-resources.ts";
import {
  configMapResource,
  endpointSliceResource,
  namespaceResource,
  serviceResource,
} from "../../model/core-objects.ts";
import { definitionResource } from "../../model/definition.ts";
import type { Api } from "../api.ts";
import { openApi } from "../open-api.ts";

function openSmallApi(serviceRange: string): Api {
  const { random } = Math;
  return openApi({ dataFile: ":memory:", clock: systemClock, random, log: silentLog, serviceRange });
}

const api = openSmallApi("10.96.0.0/24");
await api.client.create(definitionResource, {
  metadata: { name: "things.tests.example" },
  spec: {
    group: "tests.example",
    names: { plural: "things", kind: "Thing" },
    scope: "Namespaced",
    versions: [{ name: "v1", served: true, storage: true, schema: { openAPIV3Schema: { type: "object" } } }],
  },
});
afterAll(() => api.close());

type Loose = KubeObject & { readonly [field: string]: unknown };

/** What an attempt was refused for: its fields, or its message. */
async function refusalOf(attempt: Promise<unknown>): Promise<unknown> {
  try {
    await attempt;
    return "nothing";
  } catch (error) {
    if (!(error instanceof KubeError)) throw error;
    return error.status.details?.causes?.map((cause) => cause.field) ?? error.message;
  }
}

async function create(type: ResourceType, body: object): Promise<Loose> {
  const { metadata, ...rest } = body as { metadata?: object };
  const draft = {
    metadata: { generateName: "x-", ...(type.namespaced ? { namespace: "default" } : {}), ...metadata },
    ...rest,
  };
  return (await api.client.create(type, draft)) as Loose;
}

async function patch(type: ResourceType, object: Loose, value: object): Promise<Loose> {
  return (await api.client.patch(type, object.metadata, { kind: "merge", value })) as Loose;
}

const owner = { apiVersion: "v1", kind: "A", name: "a", uid: "u" };

/** A kind of which nothing is known but its names. */
const thingResource: ResourceType<Loose> = {
  group: "tests.example",
  version: "v1",
  resource: "things",
  kind: "Thing",
  namespaced: true,
};

describe("metadata", () => {
  const unreadable: readonly [what: string, metadata: object, field: string, why: string][] = [
    ["a name that is no string", { name: 5 }, "metadata.name", "number|name|string"],
    [
      "a stem that is no string",
      { name: "a", generateName: {} },
      "metadata.generateName",
      "object|generateName|string",
    ],
    ["labels that are no object", { labels: "a" }, "metadata.labels", "string|labels|map[string]string"],
    ["a label that is no string", { labels: { a: 1 } }, "metadata.labels.a", "number|labels|string"],
    [
      "owners that are no array",
      { ownerReferences: {} },
      "metadata.ownerReferences",
      "object|ownerReferences|[]v1.OwnerReference",
    ],
    [
      "finalizers that are no array",
      { finalizers: "a" },
      "metadata.finalizers",
      "string|finalizers|[]string",
    ],
  ];
  test.each(unreadable)("%s cannot be read", async (_, metadata, _field, why) => {
    const [got, field, type] = why.split("|");
    expect(await refusalOf(create(configMapResource, { metadata }))).toBe(
      `ConfigMap in version "v1" cannot be handled as a ConfigMap: json: cannot unmarshal ${got} into Go struct field ObjectMeta.metadata.${field} of type ${type}`,
    );
  });
  test.each(unreadable)("%s is refused of a defined kind", async (_, metadata, field) => {
    expect(await refusalOf(create(thingResource, { metadata }))).toEqual([field]);
  });

  const rows: readonly [what: string, metadata: object, field: string][] = [
    ["a name that is too long", { name: "a".repeat(254) }, "metadata.name"],
    ["a label's name with a space", { labels: { "a b": "c" } }, "metadata.labels"],
    ["a label's value with a space", { labels: { a: "b c" } }, "metadata.labels"],
    ["an annotation's name with a space", { annotations: { "a b": "c" } }, "metadata.annotations"],
    ["annotations that are too large", { annotations: { a: "x".repeat(300_000) } }, "metadata.annotations"],
    [
      "an owner without a uid",
      { ownerReferences: [{ ...owner, uid: "" }] },
      "metadata.ownerReferences[0].uid",
    ],
    [
      "two controllers",
      {
        ownerReferences: [
          { ...owner, controller: true },
          { ...owner, uid: "v", controller: true },
        ],
      },
      "metadata.ownerReferences",
    ],
    ["a finalizer with a space", { finalizers: ["a/b c"] }, "metadata.finalizers"],
    ["a finalizer without a prefix", { finalizers: ["a"] }, "metadata.finalizers[0]"],
  ];
  test.each(rows)("%s is refused", async (_, metadata, field) => {
    expect(await refusalOf(create(configMapResource, { metadata }))).toEqual([field]);
  });

  test("empty maps and lists are left out", async () => {
    const metadata = {
      name: "empty",
      generateName: "",
      labels: {},
      annotations: {},
      finalizers: [],
      ownerReferences: [],
    };
    const made = await create(configMapResource, { metadata });
    expect(Object.keys(made.metadata).sort((a, b) => (a < b ? -1 : 1))).toEqual([
      "creationTimestamp",
      "name",
      "namespace",
      "resourceVersion",
      "uid",
    ]);
  });
});

describe("namespaces", () => {
  test("keep their finalizer and their own name's label", async () => {
    const made = await create(namespaceResource, { metadata: { name: "kept" }, spec: { finalizers: [] } });
    const patched = await patch(namespaceResource, made, {
      metadata: { labels: { "kubernetes.io/metadata.name": "other", a: "b" } },
      spec: { finalizers: [] },
    });
    expect(patched["spec"]).toEqual({ finalizers: ["kubernetes"] });
    expect(patched.metadata.labels).toEqual({ "kubernetes.io/metadata.name": "kept", a: "b" });
  });

  test("are named as DNS labels", async () => {
    expect(await refusalOf(create(namespaceResource, { metadata: { name: "a.b" } }))).toEqual([
      "metadata.name",
    ]);
  });

  test.each(["default", "kube-node-lease", "kube-system", "lambient-system"])("%s stays", async (name) => {
    const refusal = await refusalOf(api.client.delete(namespaceResource, { name }));
    expect(refusal).toBe(`namespaces "${name}" is forbidden: this namespace may not be deleted`);
  });
});

describe("services", () => {
  const one = [{ port: 80 }];
  test.each([
    [{ type: "LoadBalancer", ports: one }, ["spec.type"]],
    [{ ports: [{ port: 80, targetPort: 70_000 }] }, ["spec.ports[0].targetPort"]],
    [
      { ports: [{ port: 80, targetPort: "UPPER" }] },
      ["spec.ports[0].targetPort", "spec.ports[0].targetPort"],
    ],
    [{ ports: [{ port: 80, nodePort: 30_000 }] }, ["spec.ports[0].nodePort"]],
    [
      {
        ports: [
          { port: 80, name: "a" },
          { port: 81, name: "a" },
        ],
      },
      ["spec.ports[1].name"],
    ],
    [
      {
        ports: [
          { port: 80, name: "a" },
          { port: 80, name: "b" },
        ],
      },
      ["spec.ports[1]"],
    ],
    [{ ports: [{ port: 80, protocol: "ICMP" }] }, ["spec.ports[0].protocol"]],
    [{ ports: one, clusterIP: "not-an-address" }, ["spec.clusterIPs[0]"]],
    [{ ports: one, clusterIP: "10.97.0.1" }, ["spec.clusterIPs"]],
  ])("with %j are refused", async (spec, want) => {
    expect(await refusalOf(create(serviceResource, { metadata: { generateName: "s-" }, spec }))).toEqual(
      want,
    );
  });

  test("by another name have no address, and get one when they stop being that", async () => {
    const spec = { type: "ExternalName", externalName: "example.com" };
    const made = await create(serviceResource, { metadata: { name: "outside" }, spec });
    expect(made["spec"]).toEqual({ ...spec, sessionAffinity: "None" });
    const inside = await patch(serviceResource, made, {
      spec: { type: "ClusterIP", externalName: null, ports: one },
    });
    expect(inside["spec"]).toMatchObject({ clusterIP: expect.stringMatching(/^10\.96\.0\./) });
    const again = await patch(serviceResource, inside, { spec });
    expect(again["spec"]).not.toHaveProperty("clusterIP");
  });

  test("are refused when the range is full", async () => {
    const small = openSmallApi("10.96.0.0/28");
    const attempts = Array.from({ length: 20 }, (_, i) => {
      const metadata = { name: `full-${i}`, namespace: "default" };
      return refusalOf(small.client.create(serviceResource, { metadata, spec: { ports: one } }));
    });
    const refusals = await Promise.all(attempts);
    expect(refusals.filter((refusal) => refusal === "nothing")).toHaveLength(13);
    expect(refusals).toContainEqual(["spec.clusterIPs"]);
    // The nameserver's address is nobody's by chance.
    const { items } = await small.client.list(serviceResource);
    expect(items.map((item) => item.spec.clusterIP)).not.toContain("10.96.0.10");
    small.close();
  });
});

describe("secrets and config maps", () => {
  test.each([
    [
      secretResource,
      { data: { a: "not base64!" } },
      'Secret in version "v1" cannot be handled as a Secret: illegal base64 data at input byte 3',
    ],
    [secretResource, { data: { "a b": "" } }, ["data[a b]"]],
    [secretResource, { type: "kubernetes.io/tls", data: { "tls.crt": "" } }, ["data[tls.key]"]],
    [configMapResource, { data: { "..": "" } }, ["data[..]"]],
    [
      configMapResource,
      { data: { a: 1 } },
      'ConfigMap in version "v1" cannot be handled as a ConfigMap: json: cannot unmarshal number into Go struct field ConfigMap.data of type string',
    ],
    [
      configMapResource,
      { binaryData: { a: "?" } },
      'ConfigMap in version "v1" cannot be handled as a ConfigMap: illegal base64 data at input byte 0',
    ],
  ])("%# are refused", async (type, body, want) => {
    expect(await refusalOf(create(type, body))).toEqual(want);
  });

  test("a secret's type stays", async () => {
    const made = await create(secretResource, { type: "Opaque" });
    expect(await refusalOf(patch(secretResource, made, { type: "other" }))).toEqual(["type"]);
    expect((await patch(secretResource, made, { type: null }))["type"]).toBe("Opaque");
  });

  test("what is immutable stays so", async () => {
    const made = await create(configMapResource, { immutable: true, data: { a: "1" } });
    expect(await refusalOf(patch(configMapResource, made, { data: { a: "2" } }))).toEqual(["data"]);
    expect(await refusalOf(patch(configMapResource, made, { immutable: false }))).toEqual(["immutable"]);
  });
});

test("endpoint slices are kept and checked", async () => {
  const slice = { addressType: "IPv4", endpoints: [{ addresses: ["10.0.0.1"] }], ports: [{ port: 80 }] };
  const made = await create(endpointSliceResource, slice);
  expect(made["ports"]).toEqual([{ name: "", port: 80, protocol: "TCP" }]);
  expect(made.metadata.generation).toBe(1);
  expect(await refusalOf(create(endpointSliceResource, { ...slice, addressType: "X" }))).toEqual([
    "addressType",
  ]);
});

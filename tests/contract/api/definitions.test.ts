/** CustomResourceDefinitions and their resources, asked over HTTPS: runs against ours and a real API server alike. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { type ApiUnderTest, itemsOf, openApiUnderTest, textOf } from "./api-under-test.ts";

let api: ApiUnderTest;
const group = `g${crypto.randomUUID().slice(0, 8)}.example.com`;
const definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
const things = `/apis/${group}/v1/namespaces/default/things`;
const merge = { "content-type": "application/merge-patch+json" };

const schema = {
  type: "object",
  properties: {
    spec: {
      type: "object",
      required: ["size"],
      properties: {
        size: { type: "integer", minimum: 1 },
        mode: { type: "string", enum: ["a", "b"], default: "a" },
        free: { type: "object", "x-kubernetes-preserve-unknown-fields": true },
        target: { "x-kubernetes-int-or-string": true },
      },
    },
    status: { type: "object", properties: { phase: { type: "string" } } },
  },
};

const definition = {
  apiVersion: "apiextensions.k8s.io/v1",
  kind: "CustomResourceDefinition",
  metadata: { name: `things.${group}` },
  spec: {
    group,
    scope: "Namespaced",
    names: { plural: "things", kind: "Thing", shortNames: ["th"] },
    versions: [
      {
        name: "v1",
        served: true,
        storage: true,
        schema: { openAPIV3Schema: schema },
        subresources: { status: {} },
      },
      {
        name: "v1beta1",
        served: true,
        storage: false,
        schema: { openAPIV3Schema: schema },
        subresources: { status: {} },
      },
    ],
  },
};

function thing(name: string, spec: object): object {
  return { apiVersion: `${group}/v1`, kind: "Thing", metadata: { name }, spec };
}

async function until(look: () => Promise<boolean>): Promise<void> {
  const deadlineMs = Date.now() + 55_000;
  while (!(await look())) {
    if (Date.now() > deadlineMs) throw new Error("what the test waits for did not come");
    await Bun.sleep(5);
  }
}

beforeAll(async () => {
  api = openApiUnderTest();
  expect((await api.ask("POST", definitions, definition)).status).toBe(201);
  await until(async () => {
    const { body } = await api.ask("GET", `${definitions}/things.${group}`);
    const found = (body["status"]?.["conditions"] ?? []) as unknown as { type: string; status: string }[];
    return found.some((condition) => condition.type === "Established" && condition.status === "True");
  });
  await until(async () => (await api.ask("GET", things)).status === 200);
});

afterAll(async () => {
  await api.ask("DELETE", `${definitions}/things.${group}`);
  await api[Symbol.asyncDispose]();
});

test("objects get their defaults and lose what nobody knows", async () => {
  const spec = { size: 1, extra: 1, free: { kept: true }, target: "http" };
  const { status, body } = await api.ask("POST", `${things}?fieldValidation=Ignore`, thing("plain", spec));
  expect(status).toBe(201);
  expect(body["spec"] as unknown).toEqual({ size: 1, mode: "a", free: { kept: true }, target: "http" });
  expect(body["metadata"]?.["generation"] as unknown).toBe(1);
});

test("an unknown field is refused, warned of or ignored, as asked", async () => {
  const body = thing("strict", { size: 1, extra: 1 });
  const strict = await api.ask("POST", `${things}?fieldValidation=Strict`, body);
  expect(strict.status).toBe(400);
  expect(textOf(strict.body["message"])).toContain('strict decoding error: unknown field "spec.extra"');
  const warned = await api.ask("POST", `${things}?fieldValidation=Warn`, body);
  expect([warned.status, warned.headers.get("warning")]).toEqual([
    201,
    '299 - "unknown field \\"spec.extra\\""',
  ]);
});

test.each([
  ["none", {}, "spec.size"],
  ["low", { size: 0 }, "spec.size"],
  ["text", { size: "1" }, "spec.size"],
  ["mode", { size: 1, mode: "c" }, "spec.mode"],
  ["target", { size: 1, target: true }, "spec.target"],
])("refuses %s with the field in the causes", async (name, spec, field) => {
  const { status, body } = await api.ask("POST", things, thing(`bad-${name}`, spec));
  expect([status, body["reason"] as unknown]).toEqual([422, "Invalid"]);
  expect(itemsOf(body["details"]?.["causes"]).map((cause) => textOf(cause["field"]))).toContain(field);
});

test("spec and status are written apart, and only the spec is counted", async () => {
  await api.ask("POST", things, { ...thing("parts", { size: 1 }), status: { phase: "ignored" } });
  const made = await api.ask("GET", `${things}/parts`);
  expect(made.body["status"] as unknown).toBeUndefined();
  const status = await api.ask(
    "PATCH",
    `${things}/parts/status`,
    { spec: { size: 9 }, status: { phase: "Up" } },
    merge,
  );
  expect(status.body).toMatchObject({
    spec: { size: 1 },
    status: { phase: "Up" },
    metadata: { generation: 1 },
  });
  const both = await api.ask(
    "PATCH",
    `${things}/parts`,
    { spec: { size: 2 }, status: { phase: "Down" } },
    merge,
  );
  expect(both.body).toMatchObject({
    spec: { size: 2 },
    status: { phase: "Up" },
    metadata: { generation: 2 },
  });
  const labels = await api.ask("PATCH", `${things}/parts`, { metadata: { labels: { a: "b" } } }, merge);
  expect(labels.body["metadata"]?.["generation"] as unknown).toBe(2);
});

test("an update names the version it replaces", async () => {
  await api.ask("POST", things, thing("versioned", { size: 1 }));
  const { status, body } = await api.ask("PUT", `${things}/versioned`, thing("versioned", { size: 2 }));
  expect([status, body["reason"] as unknown]).toEqual([422, "Invalid"]);
});

test("an object can be read in each served version", async () => {
  await api.ask("POST", things, thing("both", { size: 1 }));
  const other = things.replace("/v1/", "/v1beta1/");
  expect((await api.ask("GET", `${other}/both`)).body["apiVersion"] as unknown).toBe(`${group}/v1beta1`);
  const patched = await api.ask("PATCH", `${other}/both`, { spec: { size: 3 } }, merge);
  expect(patched.body).toMatchObject({ apiVersion: `${group}/v1beta1`, spec: { size: 3 } });
  expect((await api.ask("GET", `${things}/both`)).body).toMatchObject({
    apiVersion: `${group}/v1`,
    spec: { size: 3 },
  });
});

test("strategic patches are for built-in kinds only", async () => {
  await api.ask("POST", things, thing("strategic", { size: 1 }));
  const headers = { "content-type": "application/strategic-merge-patch+json" };
  expect((await api.ask("PATCH", `${things}/strategic`, { spec: { size: 2 } }, headers)).status).toBe(415);
});

test("discovery tells the kind", async () => {
  const { body } = await api.ask("GET", `/apis/${group}/v1`);
  const names = itemsOf(body["resources"]).map((resource) => textOf(resource["name"]));
  expect(names.toSorted()).toEqual(["things", "things/status"]);
  expect(body["resources"]?.[0]).toMatchObject({ kind: "Thing", namespaced: true, shortNames: ["th"] });
  const { body: found } = await api.ask("GET", `/apis/${group}`);
  expect(found).toMatchObject({ kind: "APIGroup", preferredVersion: { version: "v1" } });
});

test.each([
  ["a wrong name", { metadata: { name: "wrong" } }],
  ["no schema", { spec: { ...definition.spec, versions: [{ name: "v1", served: true, storage: true }] } }],
  [
    "no storage version",
    {
      spec: { ...definition.spec, versions: definition.spec.versions.map((v) => ({ ...v, storage: false })) },
    },
  ],
])("refuses a definition with %s", async (_, more) => {
  const { status, body } = await api.ask("POST", definitions, { ...definition, ...more });
  expect([status, body["reason"] as unknown]).toEqual([422, "Invalid"]);
});

test("a definition takes its objects with it", async () => {
  const other = `g${crypto.randomUUID().slice(0, 8)}.example.com`;
  const name = `things.${other}`;
  const path = `/apis/${other}/v1/namespaces/default/things`;
  await api.ask("POST", definitions, {
    ...definition,
    metadata: { name },
    spec: { ...definition.spec, group: other },
  });
  await until(async () => (await api.ask("GET", path)).status === 200);
  const one = { ...thing("one", { size: 1 }), apiVersion: `${other}/v1` };
  await until(async () => (await api.ask("POST", path, one)).status === 201);
  await api.ask("DELETE", `${definitions}/${name}`);
  await until(async () => (await api.ask("GET", `${definitions}/${name}`)).status === 404);
  await until(async () => (await api.ask("GET", path)).status === 404);
});

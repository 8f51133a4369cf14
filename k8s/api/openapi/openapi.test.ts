/** OpenAPI in its three forms: what kubectl needs from each is there, and it changes with what is served. */
import { fromBinary } from "@bufbuild/protobuf";
import { afterAll, expect, test } from "bun:test";
import { DocumentSchema } from "#core/proto/gnostic/openapi-v2_pb.js";
import { systemClock } from "#host/clock.ts";
import { silentLog } from "#host/log.ts";
import { definitionResource } from "../../model/definition.ts";
import { functionDefinition } from "../../model/function.ts";
import type { User } from "../api.ts";
import { objectOr } from "../json.ts";
import { readKubeSchemas } from "../kinds/kube-schemas.ts";
import { openApi } from "../open-api.ts";
import { allWords, describeField, describeType } from "./descriptions.ts";
import { gnosticAsked, gnosticType } from "./gnostic.ts";

const admin: User = { name: "admin", groups: ["system:masters"] };
const api = openApi({
  dataFile: ":memory:",
  clock: systemClock,
  random: Math.random,
  log: silentLog,
  definitions: [functionDefinition],
});
afterAll(() => api.close());

function get(path: string, headers: Record<string, string> = {}): Promise<Response> {
  return api.handle(new Request(`https://api${path}`, { headers }), admin);
}

type Json = { readonly [name: string]: Json } & { readonly [index: number]: Json };

async function jsonAt(path: string): Promise<Json> {
  return (await (await get(path)).json()) as Json;
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}

const kindsKey = "x-kubernetes-group-version-kind";

test("the root of v3 lists every group and version by its content", async () => {
  const { paths } = await jsonAt("/openapi/v3");
  expect(Object.keys(paths ?? {})).toContainValues(["api/v1", "apis/apps/v1", "apis/lambient.dev/v1alpha1"]);
  const address = textOf(paths?.["apis/apps/v1"]?.["serverRelativeURL"]);
  expect(address).toMatch(/^\/openapi\/v3\/apis\/apps\/v1\?hash=[0-9A-F]{128}$/);
  const document = await get(address);
  expect(document.headers.get("cache-control")).toContain("immutable");
  expect((await get("/openapi/v3/apis/apps/v1")).headers.get("cache-control")).not.toContain("immutable");
});

test("a document of v3 has what its operations refer to, and nothing that is not there", async () => {
  for (const path of Object.keys((await jsonAt("/openapi/v3"))["paths"] ?? {})) {
    const text = await (await get(`/openapi/v3/${path}`)).text();
    const { components } = JSON.parse(text) as Json;
    const names = new Set(Object.keys(components?.["schemas"] ?? {}));
    const references = [...text.matchAll(/"\$ref":"#\/components\/schemas\/([^"]+)"/g)].map(
      (match) => match[1] ?? "",
    );
    expect(references.filter((name) => !names.has(name))).toEqual([]);
    expect(text).not.toContain("x-lambient-");
    const ids = [...text.matchAll(/"operationId":"([^"]+)"/g)].map((match) => match[1]);
    expect(ids.filter((id, index) => ids.indexOf(id) !== index)).toEqual([]);
  }
});

test("a patch says which options it takes, by which kubectl validates on the server", async () => {
  const { paths } = await jsonAt("/openapi/v3/apis/apps/v1");
  const patch = paths?.["/apis/apps/v1/namespaces/{namespace}/deployments/{name}"]?.["patch"];
  expect(patch?.[kindsKey]).toEqual({ group: "apps", version: "v1", kind: "Deployment" } as never);
  const parameters: unknown = patch?.["parameters"];
  const names = (parameters as readonly { name: string }[]).map(({ name }) => name);
  expect(names).toEqual(["dryRun", "fieldManager", "fieldValidation", "force"]);
});

async function patchTypesAt(path: string, at: string): Promise<readonly string[]> {
  const { paths } = await jsonAt(`/openapi/v3/${path}`);
  const patch = paths?.[`/${path}/namespaces/{namespace}/${at}`]?.["patch"];
  return Object.keys(patch?.["requestBody"]?.["content"] ?? {});
}

test("a strategic patch is named for built-in kinds only, for kubectl sends one wherever it is", async () => {
  const all = ["apply-patch+yaml", "json-patch+json", "merge-patch+json"].map(
    (type) => `application/${type}`,
  );
  expect(await patchTypesAt("apis/lambient.dev/v1alpha1", "functions/{name}")).toEqual(all);
  expect(await patchTypesAt("apis/lambient.dev/v1alpha1", "functions/{name}/status")).toEqual(all);
  const strategic = "application/strategic-merge-patch+json";
  expect(await patchTypesAt("apis/apps/v1", "deployments/{name}")).toEqual([...all, strategic]);
});

test("schemas keep how lists merge, and say what fields mean", async () => {
  const { components } = await jsonAt("/openapi/v3/api/v1");
  const containers = components?.["schemas"]?.["io.k8s.api.core.v1.PodSpec"]?.["properties"]?.["containers"];
  expect(containers).toMatchObject({
    type: "array",
    "x-kubernetes-patch-merge-key": "name",
    "x-kubernetes-list-type": "map",
    description: describeField("PodSpec", "containers") ?? "",
    items: { $ref: "#/components/schemas/io.k8s.api.core.v1.Container" },
  });
  const status = components?.["schemas"]?.["io.k8s.api.core.v1.Pod"]?.["properties"]?.["status"];
  expect(status).toMatchObject({
    allOf: [{ $ref: "#/components/schemas/io.k8s.api.core.v1.PodStatus" }],
  });
});

test("a defined kind is told with its own words", async () => {
  const { components } = await jsonAt("/openapi/v3/apis/lambient.dev/v1alpha1");
  const schema = components?.["schemas"]?.["dev.lambient.v1alpha1.Function"];
  expect(schema?.[kindsKey]).toEqual([
    { group: "lambient.dev", version: "v1alpha1", kind: "Function" },
  ] as never);
  expect(schema?.["properties"]?.["spec"]?.["properties"]?.["group"]?.["description"] as unknown).toBe(
    "Name of the waypoint it stands behind.",
  );
});

test("a definition is told once it is there, and no more once it is gone", async () => {
  const before = await jsonAt("/openapi/v3");
  const name = "things.tests.example";
  await api.client.create(definitionResource, {
    metadata: { name },
    spec: {
      group: "tests.example",
      names: { plural: "things", kind: "Thing" },
      scope: "Namespaced",
      versions: [
        { name: "v1", served: true, storage: true, schema: { openAPIV3Schema: { type: "object" } } },
      ],
    },
  });
  const path = "apis/tests.example/v1";
  expect((await jsonAt("/openapi/v3"))["paths"]?.[path]).toBeDefined();
  expect((await get(`/openapi/v3/${path}`)).status).toBe(200);
  await api.client.delete(definitionResource, { name });
  while ((await get(`/openapi/v3/${path}`)).status !== 404) await new Promise(setImmediate);
  expect(await jsonAt("/openapi/v3")).toEqual(before);
});

test("v2 is told as JSON, without what it cannot say", async () => {
  const response = await get("/openapi/v2");
  const text = await response.text();
  const { swagger, definitions } = JSON.parse(text) as Json;
  expect(swagger as unknown).toBe("2.0");
  expect(/"oneOf":\[|"nullable":true/.exec(text)).toBeNull();
  const names = new Set(Object.keys(definitions ?? {}));
  const references = [...text.matchAll(/"\$ref":"#\/definitions\/([^"]+)"/g)].map((match) => match[1] ?? "");
  expect(references.filter((reference) => !names.has(reference))).toEqual([]);
  const etag = response.headers.get("etag") ?? "";
  expect((await get("/openapi/v2", { "if-none-match": etag })).status).toBe(304);
});

test("v2 is told as protobuf to those who read nothing else, with the same content", async () => {
  const response = await get("/openapi/v2", { accept: gnosticAsked });
  expect(response.headers.get("content-type")).toBe(gnosticType);
  const document = fromBinary(DocumentSchema, await response.bytes());
  const json = await jsonAt("/openapi/v2");
  expect(document.definitions?.additionalProperties.map(({ name }) => name)).toEqual(
    Object.keys(json["definitions"] ?? {}),
  );
  expect(document.paths?.path.map(({ name }) => name)).toEqual(Object.keys(json["paths"] ?? {}));
  const pod = document.definitions?.additionalProperties.find(
    ({ name }) => name === "io.k8s.api.core.v1.Pod",
  );
  const extension = pod?.value?.vendorExtension.find(({ name }) => name === kindsKey);
  expect(JSON.parse(extension?.value?.yaml ?? "")).toEqual([{ group: "", kind: "Pod", version: "v1" }]);
  const spec = pod?.value?.properties?.additionalProperties.find(({ name }) => name === "spec");
  expect(spec?.value?.ref).toBe("#/definitions/io.k8s.api.core.v1.PodSpec");
});

test.each([
  ["/openapi/v2", "application/xml"],
  ["/openapi/v3/api/v1", "application/com.github.proto-openapi.spec.v3@v1.0+protobuf"],
])("%s as %s is refused", async (path, accept) => {
  expect((await get(path, { accept })).status).toBe(406);
});

test.each(["/openapi/v3/apis/none/v1", "/openapi/v4", "/openapi/none"])("%s is not there", async (path) => {
  expect((await get(path)).status).toBe(404);
});

test("words are found by type and field, never by what an object inherits", () => {
  expect(describeType("io.k8s.api.core.v1.Pod")).toStartWith("A Pod is");
  expect(describeField("Pod", "metadata")).toBeDefined();
  expect(describeField("Pod", "constructor")).toBeUndefined();
  expect(describeType("toString")).toBeUndefined();
});

test("every sentence is about a type and a field that there are", () => {
  const fields = new Set<string>();
  for (const [name, { properties }] of Object.entries(readKubeSchemas().definitions)) {
    const type = name.split(".").at(-1) ?? "";
    fields.add(`${type}.`);
    for (const field of Object.keys(objectOr(properties))) fields.add(`${type}.${field}`);
  }
  const told = allWords.flatMap((words) =>
    Object.entries(words).flatMap(([type, sentences]) =>
      Object.keys(sentences).map((field) => `${type}.${field}`),
    ),
  );
  expect(told.filter((name) => !fields.has(name))).toEqual([]);
  expect(new Set(told).size).toBe(told.length);
});

/** The ways of patching, asked over HTTPS: runs against ours and a real API server alike. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type Answer, itemsOf, type Json, textOf } from "./api-under-test.ts";
import { openScene, patchTypes, refusal, type Scene } from "./scene.ts";

let scene: Scene;
let deployment = "";
let map = "";

beforeAll(async () => {
  scene = await openScene("patches");
  deployment = `${scene.path("deployments", "apps/v1")}/d`;
  map = `${scene.path("configmaps")}/m`;
  await scene.api.ask("POST", scene.path("configmaps"), { metadata: { name: "m" }, data: { a: "1" } });
  const made = await scene.api.ask("POST", scene.path("deployments", "apps/v1"), {
    metadata: { name: "d", labels: { a: "1", b: "2" }, finalizers: ["example.com/x"] },
    spec: {
      replicas: 0,
      selector: { matchLabels: { app: "x" } },
      template: {
        metadata: { labels: { app: "x" } },
        spec: {
          containers: [
            {
              name: "a",
              image: "i",
              command: ["x", "y"],
              env: [
                { name: "A", value: "1" },
                { name: "B", value: "2" },
              ],
              ports: [{ containerPort: 80 }, { containerPort: 81 }],
            },
            { name: "b", image: "j" },
          ],
          volumes: [{ name: "v", emptyDir: {} }],
        },
      },
    },
  });
  expect(made.status).toBe(201);
});

afterAll(async () => {
  await scene.api.ask("PATCH", deployment, { metadata: { finalizers: null } }, patchTypes.merge);
  await scene[Symbol.asyncDispose]();
});

function strategic(patch: unknown): Promise<Answer> {
  return scene.api.ask("PATCH", `${deployment}?dryRun=All`, patch, patchTypes.strategic);
}

function podSpec(more: object): object {
  return { spec: { template: { spec: more } } };
}

function specOf(body: Json): Json | undefined {
  return body["spec"]?.["template"]?.["spec"];
}

describe("a strategic patch", () => {
  test.each<[string, object, readonly string[]]>([
    ["changes an item", { containers: [{ name: "a", image: "k" }] }, ["a=k", "b=j"]],
    ["adds an item", { containers: [{ name: "c", image: "k" }] }, ["c=k", "a=i", "b=j"]],
    [
      "keeps its own order",
      {
        containers: [
          { name: "c", image: "k" },
          { name: "b", image: "q" },
        ],
      },
      ["c=k", "a=i", "b=q"],
    ],
    ["deletes an item", { containers: [{ name: "a", $patch: "delete" }] }, ["b=j"]],
    ["replaces a list", { containers: [{ name: "z", image: "z" }, { $patch: "replace" }] }, ["z=z"]],
    ["orders a list", { "$setElementOrder/containers": [{ name: "b" }, { name: "a" }] }, ["b=j", "a=i"]],
    [
      "orders what it adds",
      {
        "$setElementOrder/containers": [{ name: "b" }, { name: "c" }, { name: "a" }],
        containers: [{ name: "c", image: "n" }],
      },
      ["b=j", "c=n", "a=i"],
    ],
  ])("%s", async (_, patch, want) => {
    const { status, body } = await strategic(podSpec(patch));
    const containers = itemsOf(specOf(body)?.["containers"]);
    expect([
      status,
      containers.map((one) => `${textOf(one["name"])}=${textOf(one["image"])}`),
    ] as unknown).toEqual([200, [...want]]);
  });

  test.each<[string, object, object]>([
    ["replaces plain lists", { command: ["z"] }, { command: ["z"] }],
    ["removes by null", { env: null }, { env: undefined }],
    [
      "merges lists of items of lists",
      {
        env: [
          { name: "B", $patch: "delete" },
          { name: "C", value: "3" },
          { name: "A", value: "9" },
        ],
      },
      {
        env: [
          { name: "C", value: "3" },
          { name: "A", value: "9" },
        ],
      },
    ],
    [
      "merges ports by their numbers",
      { ports: [{ containerPort: 81, name: "x" }, { containerPort: 90 }] },
      {
        ports: [
          { containerPort: 80, protocol: "TCP" },
          { containerPort: 81, protocol: "TCP", name: "x" },
          { containerPort: 90, protocol: "TCP" },
        ],
      },
    ],
  ])("%s", async (_, patch, want) => {
    const { body } = await strategic(podSpec({ containers: [{ name: "a", ...patch }] }));
    const container = specOf(body)?.["containers"]?.[0];
    const shown = Object.fromEntries(Object.keys(want).map((name) => [name, container?.[name]]));
    expect(shown as unknown).toEqual(want);
  });

  test.each<[string, object, object]>([
    ["replaces a map", { labels: { $patch: "replace", q: "1" } }, { labels: { q: "1" } }],
    ["deletes a map", { labels: { $patch: "delete" } }, { labels: undefined }],
    [
      "removes values",
      { "$deleteFromPrimitiveList/finalizers": ["example.com/x"] },
      { finalizers: undefined },
    ],
    ["adds values", { finalizers: ["example.com/y"] }, { finalizers: ["example.com/y", "example.com/x"] }],
    [
      "orders values",
      {
        "$setElementOrder/finalizers": ["example.com/x", "example.com/y"],
        finalizers: ["example.com/y"],
      },
      { finalizers: ["example.com/x", "example.com/y"] },
    ],
  ])("%s in the metadata", async (_, metadata, want) => {
    const { body } = await strategic({ metadata });
    const shown = Object.fromEntries(Object.keys(want).map((name) => [name, body["metadata"]?.[name]]));
    expect(shown as unknown).toEqual(want);
  });

  test("retains only the keys it names", async () => {
    const recreate = await strategic({ spec: { strategy: { $retainKeys: ["type"], type: "Recreate" } } });
    expect(recreate.body["spec"]?.["strategy"] as unknown).toEqual({ type: "Recreate" });
    const volume = { name: "v", $retainKeys: ["name", "configMap"], configMap: { name: "m" } };
    const { body } = await strategic(podSpec({ volumes: [volume] }));
    expect(specOf(body)?.["volumes"] as unknown).toEqual([
      { name: "v", configMap: { name: "m", defaultMode: 420 } },
    ]);
  });

  test.each<[object, number, string]>([
    [
      podSpec({ containers: [{ name: "a", $patch: "merge" }] }),
      500,
      "merging lists cannot yet be specified in the patch",
    ],
    [podSpec({ containers: [{ name: "a", $patch: "nope" }] }), 500, "unknown patch type: nope in map"],
    [{ metadata: { labels: { $patch: "merge" } } }, 500, "unknown patch type: merge in map"],
    [podSpec({ containers: [{ image: "z" }] }), 500, "does not contain declared merge key: name"],
    [
      podSpec({ "$setElementOrder/containers": [{ name: "a" }], containers: [{ name: "c", image: "n" }] }),
      500,
      "doesn't match $setElementOrder list",
    ],
    [{ spec: { strategy: { $retainKeys: "x" } } }, 400, "invalid patch format of retainKeys"],
    [
      { spec: { strategy: { $retainKeys: [], type: "Recreate" } } },
      400,
      "invalid patch format of retainKeys",
    ],
  ])("is refused: %j", async (patch, status, message) => {
    const answer = await strategic(patch);
    expect([answer.status, textOf(answer.body["message"])]).toEqual([
      status,
      expect.stringContaining(message),
    ]);
  });
});

describe("patches that cannot be read or applied", () => {
  const { merge, json, strategic: strategy } = patchTypes;
  test.each<[object, unknown, number, string]>([
    [json, [{ op: "test", path: "/data/a", value: "9" }], 422, "Invalid"],
    [json, [{ op: "remove", path: "/data/none" }], 422, "Invalid"],
    [json, [{ op: "frob", path: "/data/a", value: "1" }], 422, "Invalid"],
    [json, [{ op: "add", path: "/none/x/y", value: "1" }], 422, "Invalid"],
    [json, { a: 1 }, 400, "BadRequest"],
    [merge, [1], 400, "BadRequest"],
    [merge, "{", 400, "BadRequest"],
    [merge, { data: { a: 1 } }, 422, "Invalid"],
    [strategy, [], 400, "BadRequest"],
    [strategy, "1", 400, "BadRequest"],
    [strategy, { data: { a: 1 } }, 422, "Invalid"],
    [{ "content-type": "application/json" }, {}, 415, "UnsupportedMediaType"],
  ])("%j %j", async (headers, body, status, reason) => {
    const answer = await scene.api.ask("PATCH", map, body, headers as Record<string, string>);
    expect(refusal(answer).slice(0, 2)).toEqual([status, reason]);
  });

  test("a replaced field need not be there", async () => {
    const patch = [{ op: "replace", path: "/data/new", value: "1" }];
    const answer = await scene.api.ask("PATCH", `${map}?dryRun=All`, patch, json);
    expect([answer.status, answer.body["data"] as unknown]).toEqual([200, { a: "1", new: "1" }]);
  });

  test("of objects that are not there are refused but for applying", async () => {
    for (const headers of [merge, strategy, json]) {
      const body = headers === json ? [] : {};
      const answer = await scene.api.ask("PATCH", `${scene.path("configmaps")}/none`, body, headers);
      expect(answer.status).toBe(404);
    }
  });
});

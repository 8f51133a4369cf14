/** Options of lists and watches, asked over HTTPS: runs against ours and a real API server alike. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type Answer, itemsOf, type Json, textOf } from "./api-under-test.ts";
import { openScene, patchTypes, refusal, type Scene } from "./scene.ts";

let scene: Scene;
let maps = "";
const label = "labelSelector=list%3D1";

beforeAll(async () => {
  scene = await openScene("lists");
  maps = scene.path("configmaps");
  for (const name of ["a", "b", "c", "d", "e"]) {
    await scene.api.ask("POST", maps, { metadata: { name, labels: { list: "1" } } });
  }
});

afterAll(() => scene[Symbol.asyncDispose]());

function list(query: string): Promise<Answer> {
  return scene.api.ask("GET", `${maps}?${query}`);
}

function names(body: Json): readonly string[] {
  return itemsOf(body["items"]).map((item) => textOf(item["metadata"]?.["name"]));
}

const invalid = (why: string): readonly [number, string, string] => [
  422,
  "Invalid",
  `ListOptions.meta.k8s.io "" is invalid: ${why}`,
];

describe("lists", () => {
  test.each<[string, readonly [number, string, string]]>([
    [
      "resourceVersionMatch=Exact",
      invalid(
        "resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided",
      ),
    ],
    [
      "resourceVersionMatch=Nope&resourceVersion=1",
      invalid(
        'resourceVersionMatch: Unsupported value: "Nope": supported values: "Exact", "NotOlderThan", ""',
      ),
    ],
    [
      "resourceVersionMatch=Exact&resourceVersion=0",
      invalid(
        'resourceVersionMatch: Forbidden: resourceVersionMatch "exact" is forbidden for resourceVersion "0"',
      ),
    ],
    [
      "sendInitialEvents=true",
      invalid("sendInitialEvents: Forbidden: sendInitialEvents is forbidden for list"),
    ],
    ["limit=x", [400, "BadRequest", 'strconv.ParseInt: parsing "x": invalid syntax']],
  ])("refuse %s", async (query, want) => {
    expect(refusal(await list(query))).toEqual(want);
  });

  test("refuse a version that is none, and one that is not there yet", async () => {
    expect((await list("resourceVersion=abc")).status).toBe(400);
    const future = await list("resourceVersion=999999999");
    expect(refusal(future).slice(0, 2)).toEqual([504, "Timeout"]);
    expect(future.body["details"] as unknown).toMatchObject({
      causes: [{ reason: "ResourceVersionTooLarge", message: "Too large resource version" }],
      retryAfterSeconds: 1,
    });
  });

  test("come in pages of one version, with what remains", async () => {
    const first = await list(`${label}&limit=2`);
    const meta = first.body["metadata"];
    expect(names(first.body)).toEqual(["a", "b"]);
    const token = encodeURIComponent(textOf(meta?.["continue"]));
    await scene.api.ask("POST", maps, { metadata: { name: "other" } });
    const rest = await list(`${label}&limit=10&continue=${token}`);
    expect(names(rest.body)).toEqual(["c", "d", "e"]);
    expect(rest.body["metadata"]?.["resourceVersion"]).toEqual(meta?.["resourceVersion"] as never);
    const mixed = await list(`${label}&limit=10&continue=${token}&resourceVersion=1`);
    expect(refusal(mixed)).toEqual([
      400,
      "BadRequest",
      "specifying resource version is not allowed when using continue",
    ]);
    const all = await list("limit=2");
    expect(all.body["metadata"]?.["remainingItemCount"] as unknown).toBeGreaterThan(0);
    expect((await list("limit=-1")).status).toBe(200);
  });

  test("are at least as new as is asked for", async () => {
    const made = await scene.api.ask("POST", maps, { metadata: { name: scene.fresh() } });
    const version = textOf(made.body["metadata"]?.["resourceVersion"]);
    const listed = await list(`resourceVersion=${version}&resourceVersionMatch=NotOlderThan`);
    expect(listed.status).toBe(200);
    expect(Number(listed.body["metadata"]?.["resourceVersion"])).toBeGreaterThanOrEqual(Number(version));
  });
});

describe("watches", () => {
  const query = "watch=1&timeoutSeconds=1";
  test.each<[string, readonly [number, string, string]]>([
    [
      "sendInitialEvents=true",
      invalid(
        "resourceVersionMatch: Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan",
      ),
    ],
    [
      "resourceVersionMatch=NotOlderThan",
      invalid(
        "resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided",
      ),
    ],
    [
      "resourceVersion=x",
      [500, "", 'resourceVersion: Invalid value: "x": strconv.ParseUint: parsing "x": invalid syntax'],
    ],
  ])("refuse %s", async (more, want) => {
    expect(refusal(await list(`${query}&${more}`))).toEqual(want);
  });

  async function typesOf(more: string): Promise<readonly string[]> {
    const watch = await scene.api.watch(`${maps}?${query}&${label}&${more}`);
    const types: string[] = [];
    for (;;) {
      const event = await watch.next();
      if (event === undefined) return types;
      types.push(textOf(event["type"]));
    }
  }

  const added = ["ADDED", "ADDED", "ADDED", "ADDED", "ADDED"];
  test.each<[string, readonly string[]]>([
    ["", added],
    [
      "sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true",
      [...added, "BOOKMARK"],
    ],
    ["sendInitialEvents=true&resourceVersionMatch=NotOlderThan", added],
    ["sendInitialEvents=false&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true", []],
  ])("tell at the start, with %p", async (more, want) => {
    const types = [...(await typesOf(more))];
    // A server may send bookmarks of its own at any time.
    while (types.length > want.length && types.at(-1) === "BOOKMARK") types.pop();
    expect(types).toEqual([...want]);
  });

  test("mark the end of the start by the version that it was", async () => {
    const watch = await scene.api.watch(
      `${maps}?${query}&labelSelector=none&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true`,
    );
    const mark = await watch.next();
    expect(mark as unknown).toEqual({
      type: "BOOKMARK",
      object: {
        kind: "ConfigMap",
        apiVersion: "v1",
        metadata: {
          resourceVersion: expect.stringMatching(/^\d+$/),
          annotations: { "k8s.io/initial-events-end": "true" },
        },
      },
    });
    watch.close();
  });

  test("tell one change once, and nothing of what changed nothing", async () => {
    const name = scene.fresh();
    const made = await scene.api.ask("POST", maps, { metadata: { name } });
    const version = textOf(made.body["metadata"]?.["resourceVersion"]);
    for (const data of [{ a: "1" }, { a: "1" }, { a: "2" }]) {
      await scene.api.ask("PATCH", `${maps}/${name}`, { data }, patchTypes.merge);
    }
    const watch = await scene.api.watch(
      `${maps}?watch=1&timeoutSeconds=1&resourceVersion=${version}&fieldSelector=metadata.name%3D${name}`,
    );
    const seen: unknown[] = [];
    for (;;) {
      const event = await watch.next();
      if (event === undefined) break;
      seen.push([event["type"], event["object"]?.["data"]]);
    }
    expect(seen).toEqual([
      ["MODIFIED", { a: "1" }],
      ["MODIFIED", { a: "2" }],
    ]);
  });
});

/** Field validation, dry runs and options of writes, asked over HTTPS: runs against ours and a real API server alike. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type Answer, textOf } from "./api-under-test.ts";
import { openScene, patchTypes, refusal, type Scene } from "./scene.ts";

let scene: Scene;
let maps = "";

beforeAll(async () => {
  scene = await openScene("validation");
  maps = scene.path("configmaps");
});

afterAll(() => scene[Symbol.asyncDispose]());

function post(query: string, body: unknown): Promise<Answer> {
  return scene.api.ask("POST", `${maps}?${query}`, body, {
    "content-type":
      typeof body === "string" && !body.startsWith("{") ? "application/yaml" : "application/json",
  });
}

/** A ConfigMap whose text has fields twice, and unknown ones. */
function twice(name: string): string {
  return `{"metadata":{"name":"${name}","nope":1},"data":{"a":"1","a":"2"},"foo":{"b":1}}`;
}

const problems = ['duplicate field "data.a"', 'unknown field "foo"', 'unknown field "metadata.nope"'];

function warnings(answer: Answer): readonly string[] {
  const header = answer.headers.get("warning") ?? "";
  return [...header.matchAll(/299 - "((?:[^"\\]|\\.)*)"/g)]
    .map((match) => (match[1] ?? "").replaceAll("\\", ""))
    .sort();
}

describe("fields that are unknown or there twice", () => {
  test.each(["fieldValidation=Warn", "", "fieldValidation="])("are warned of by %p", async (query) => {
    const answer = await post(query, twice(scene.fresh()));
    expect([answer.status, answer.body["data"] as unknown]).toEqual([201, { a: "2" }]);
    expect(warnings(answer)).toEqual([...problems].sort());
  });

  test("are passed over by Ignore", async () => {
    const answer = await post("fieldValidation=Ignore", twice(scene.fresh()));
    expect([answer.status, warnings(answer)]).toEqual([201, []]);
  });

  test("are refused by Strict", async () => {
    const [status, reason, message] = refusal(await post("fieldValidation=Strict", twice("strict")));
    expect([status, reason]).toEqual([400, "BadRequest"]);
    expect(message).toStartWith(
      'ConfigMap in version "v1" cannot be handled as a ConfigMap: strict decoding error: ',
    );
    for (const problem of problems) expect(message).toContain(problem);
  });

  test("are found in YAML", async () => {
    const name = scene.fresh();
    const yaml = `metadata:\n  name: ${name}\ndata:\n  a: "1"\n  a: "2"\nfoo: 1\n`;
    const answer = await post("", yaml);
    expect([answer.status, answer.body["data"] as unknown]).toEqual([201, { a: "2" }]);
    expect(warnings(answer)).toEqual(['line 5: key "a" already set in map', 'unknown field "foo"']);
    expect((await post("fieldValidation=Strict", yaml)).status).toBe(400);
  });

  test.each([
    [
      patchTypes.merge,
      '{"data":{"a":"1","a":"2"},"foo":1}',
      ['duplicate field "data.a"', 'unknown field "foo"'],
    ],
    [patchTypes.json, '[{"op":"add","path":"/foo","value":1}]', ['unknown field "foo"']],
    [patchTypes.strategic, '{"foo":1}', ['unknown field "foo"']],
  ])("are found in patches %j", async (headers, patch, want) => {
    const name = scene.fresh();
    await post("", { metadata: { name } });
    const warned = await scene.api.ask("PATCH", `${maps}/${name}`, patch, headers);
    expect([warned.status, warnings(warned)]).toEqual([200, want]);
    const refused = await scene.api.ask("PATCH", `${maps}/${name}?fieldValidation=Strict`, patch, headers);
    const [status, reason, message] = refusal(refused);
    expect([status, reason]).toEqual([422, "Invalid"]);
    expect(message).toStartWith(' "" is invalid: patch: Invalid value: ');
    for (const problem of want) expect(message).toContain(problem);
  });
});

describe("options", () => {
  const long = "x".repeat(129);
  test.each([
    ["dryRun=x", 'dryRun: Unsupported value: ["x"]: supported values: "All"'],
    ["dryRun=", 'dryRun: Unsupported value: [""]: supported values: "All"'],
    [
      "fieldValidation=x",
      'fieldValidation: Unsupported value: "x": supported values: "", "Ignore", "Strict", "Warn"',
    ],
    [`fieldManager=${long}`, "fieldManager: Too long: may not be more than 128 bytes"],
  ])("of a creation are refused: %s", async (query, why) => {
    expect(refusal(await post(query, { metadata: { name: "x" } }))).toEqual([
      422,
      "Invalid",
      `CreateOptions.meta.k8s.io "" is invalid: ${why}`,
    ]);
  });

  test("of other writes are refused under their own names", async () => {
    const path = `${maps}/x?dryRun=x`;
    const why = 'dryRun: Unsupported value: ["x"]: supported values: "All"';
    for (const [method, kind] of [
      ["PUT", "UpdateOptions"],
      ["PATCH", "PatchOptions"],
      ["DELETE", "DeleteOptions"],
    ] as const) {
      const body = method === "DELETE" ? undefined : { metadata: { name: "x" } };
      const headers = method === "PATCH" ? patchTypes.merge : {};
      const answer = await scene.api.ask(method, path, body, headers);
      expect(refusal(answer)).toEqual([422, "Invalid", `${kind}.meta.k8s.io "" is invalid: ${why}`]);
    }
  });
});

describe("a dry run", () => {
  test("of a creation names, checks and defaults, and stores nothing", async () => {
    const made = await post("dryRun=All", { metadata: { generateName: "dry-" } });
    const meta = made.body["metadata"];
    expect([made.status, textOf(meta?.["name"])]).toEqual([201, expect.stringMatching(/^dry-[a-z0-9]{5}$/)]);
    expect([typeof meta?.["uid"], meta?.["resourceVersion"] as unknown]).toEqual(["string", undefined]);
    expect((await scene.api.ask("GET", `${maps}/${textOf(meta?.["name"])}`)).status).toBe(404);
    const service = await scene.api.ask("POST", `${scene.path("services")}?dryRun=All`, {
      metadata: { name: "dry" },
      spec: { ports: [{ port: 80 }] },
    });
    expect(service.body["spec"] as unknown).toMatchObject({
      type: "ClusterIP",
      sessionAffinity: "None",
      ports: [{ port: 80, protocol: "TCP", targetPort: 80 }],
    });
    expect((await post("dryRun=All", { metadata: { name: "NO" } })).status).toBe(422);
    expect((await post("dryRun=All", { metadata: { name: "kube-root-ca.crt" }, data: {} })).status).toBeOneOf(
      [201, 409],
    );
  });

  test("of changes and deletions changes nothing", async () => {
    const name = scene.fresh();
    const { body: made } = await post("", { metadata: { name }, data: { a: "1" } });
    const path = `${maps}/${name}?dryRun=All`;
    const put = await scene.api.ask("PUT", path, { metadata: { name }, data: { a: "2" } });
    expect([put.status, put.body["data"] as unknown]).toEqual([200, { a: "2" }]);
    const merged = await scene.api.ask("PATCH", path, { data: { b: "2" } }, patchTypes.merge);
    expect(merged.body["data"] as unknown).toEqual({ a: "1", b: "2" });
    const gone = await scene.api.ask("DELETE", path);
    expect([gone.status, gone.body["status"] as unknown]).toEqual([200, "Success"]);
    const body = await scene.api.ask("DELETE", `${maps}/${name}`, { dryRun: ["All"] });
    expect(body.status).toBe(200);
    expect((await scene.api.ask("DELETE", `${maps}?dryRun=All`)).status).toBe(200);
    expect((await scene.api.ask("GET", `${maps}/${name}`)).body as unknown).toEqual(made);
  });
});

describe("metadata", () => {
  test("names an owner once, and says so", async () => {
    const uid = crypto.randomUUID();
    const owner = { apiVersion: "v1", kind: "ConfigMap", name: "a", uid };
    const ownerReferences = [owner, { ...owner }];
    const made = await post("dryRun=All", { metadata: { name: "x", ownerReferences } });
    expect(made.body["metadata"]?.["ownerReferences"] as unknown).toEqual([owner]);
    expect(warnings(made)).toEqual([
      `.metadata.ownerReferences contains duplicate entries; API server dedups owner references in 1.20+, and may reject such requests as early as 1.24; please fix your requests; duplicate UID(s) observed: ${uid}`,
    ]);
  });

  test("takes null for an empty text, and no metadata for no name", async () => {
    const made = await post("dryRun=All", { metadata: { name: "x", labels: { a: null } } });
    expect(made.body["metadata"]?.["labels"] as unknown).toEqual({ a: "" });
    expect((await post("", { metadata: null })).status).toBe(422);
    expect(refusal(await post("", { metadata: [] }))).toEqual([
      400,
      "BadRequest",
      'ConfigMap in version "v1" cannot be handled as a ConfigMap: json: cannot unmarshal array into Go struct field ConfigMap.metadata of type v1.ObjectMeta',
    ]);
  });
});

describe("bodies", () => {
  test.each<[string, unknown, string]>([
    ["an empty one", "{", "couldn't get version/kind; json parse error: "],
    ["a list", "[]", "couldn't get version/kind; json parse error: "],
    [
      "another kind",
      { kind: "Secret", apiVersion: "v1", metadata: { name: "x" } },
      'Secret in version "v1" cannot be handled as a ConfigMap',
    ],
    [
      "an unknown kind",
      { kind: "Secr", apiVersion: "v1" },
      'Secr in version "v1" cannot be handled as a ConfigMap: no kind "Secr" is registered for version "v1"',
    ],
    [
      "another version",
      { kind: "ConfigMap", apiVersion: "v9" },
      'ConfigMap in version "v9" cannot be handled as a ConfigMap: no kind "ConfigMap" is registered for version "v9"',
    ],
    [
      "a value of another type",
      { data: { a: 1 } },
      'ConfigMap in version "v1" cannot be handled as a ConfigMap: json: cannot unmarshal number into Go struct field ConfigMap.data of type string',
    ],
  ])("are refused: %s", async (_, body, why) => {
    const answer = await scene.api.ask("POST", maps, body);
    expect(refusal(answer)).toEqual([400, "BadRequest", expect.stringContaining(why)]);
  });

  test("of replacements need a name", async () => {
    const name = scene.fresh();
    await post("", { metadata: { name } });
    expect(refusal(await scene.api.ask("PUT", `${maps}/${name}`, { metadata: {} }))).toEqual([
      400,
      "BadRequest",
      `the name of the object (${name} based on URL) was undeterminable: name must be provided`,
    ]);
  });
});

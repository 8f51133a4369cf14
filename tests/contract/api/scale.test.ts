/** The scale of objects, asked over HTTPS: runs against ours and a real API server alike. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { type Answer, type Json, textOf } from "./api-under-test.ts";
import { openScene, owners, patchTypes, refusal, type Scene } from "./scene.ts";

let scene: Scene;
let deployment = "";

beforeAll(async () => {
  scene = await openScene("scale");
  deployment = `${scene.path("deployments", "apps/v1")}/d`;
  const made = await scene.api.ask("POST", scene.path("deployments", "apps/v1"), {
    metadata: { name: "d", labels: { l: "1" } },
    spec: {
      replicas: 0,
      selector: {
        matchLabels: { c: "d", a: "b" },
        matchExpressions: [
          { key: "a", operator: "In", values: ["z", "b"] },
          { key: "q", operator: "DoesNotExist" },
          { key: "a", operator: "Exists" },
          { key: "w", operator: "NotIn", values: ["1"] },
        ],
      },
      template: {
        metadata: { labels: { a: "b", c: "d" } },
        spec: { containers: [{ name: "a", image: "i" }] },
      },
    },
  });
  expect(made.status).toBe(201);
});

afterAll(() => scene[Symbol.asyncDispose]());

function put(replicas: unknown, meta: object = {}, more: object = {}): Promise<Answer> {
  const metadata = { name: "d", ...meta };
  const scale = { kind: "Scale", apiVersion: "autoscaling/v1", metadata, spec: { replicas }, ...more };
  // Tried only, so that no real controller makes Pods of it.
  return scene.api.ask("PUT", `${deployment}/scale?dryRun=All&fieldManager=sc`, scale);
}

function wanted(body: Json): unknown {
  return body["spec"]?.["replicas"];
}

test("shows what is wanted, what is there and how it is selected", async () => {
  const { status, body } = await scene.api.ask("GET", `${deployment}/scale`);
  expect(status).toBe(200);
  expect(body as unknown).toEqual({
    kind: "Scale",
    apiVersion: "autoscaling/v1",
    metadata: {
      name: "d",
      namespace: scene.namespace,
      uid: expect.any(String),
      resourceVersion: expect.stringMatching(/^\d+$/),
      creationTimestamp: expect.any(String),
    },
    spec: {},
    status: { replicas: 0, selector: "a=b,a in (b,z),a,c=d,!q,w notin (1)" },
  });
});

test("is changed by every way of writing", async () => {
  const path = `${deployment}/scale?dryRun=All&fieldManager=sc&force=true`;
  const scale = {
    kind: "Scale",
    apiVersion: "autoscaling/v1",
    metadata: { name: "d" },
    spec: { replicas: 6 },
  };
  expect(wanted((await put(1)).body)).toBe(1);
  const plain = path.replace("&force=true", "");
  const merged = await scene.api.ask("PATCH", plain, { spec: { replicas: 3 } }, patchTypes.merge);
  expect(wanted(merged.body)).toBe(3);
  const strategic = await scene.api.ask("PATCH", plain, { spec: { replicas: 4 } }, patchTypes.strategic);
  expect(wanted(strategic.body)).toBe(4);
  const operations = [{ op: "replace", path: "/spec/replicas", value: 5 }];
  expect(wanted((await scene.api.ask("PATCH", plain, operations, patchTypes.json)).body)).toBe(5);
  const applied = await scene.api.ask("PATCH", path, scale, patchTypes.apply);
  expect([applied.status, wanted(applied.body)]).toEqual([200, 6]);
});

test("is owned under its own name, and counts a generation", async () => {
  const name = "e";
  const path = `${scene.path("deployments", "apps/v1")}/${name}`;
  const { body: first } = await scene.api.ask("GET", deployment);
  const { spec } = first as unknown as { spec: object };
  await scene.api.ask("POST", scene.path("deployments", "apps/v1"), {
    metadata: { name },
    // Paused, so that no real controller makes Pods of it.
    spec: { ...spec, paused: true },
  });
  const scaled = await scene.api.ask(
    "PATCH",
    `${path}/scale?fieldManager=sc`,
    { spec: { replicas: 2 } },
    patchTypes.merge,
  );
  expect(wanted(scaled.body)).toBe(2);
  const { body } = await scene.api.ask("GET", path);
  expect([wanted(body), body["metadata"]?.["generation"] as unknown]).toEqual([2, 2]);
  const mine = owners(body).find(([manager]) => manager === "sc");
  expect(mine).toEqual(["sc", "Update", "scale", { "f:spec": { "f:replicas": {} } }]);
});

test.each<[string, () => Promise<Answer>, readonly [number, string, string]]>([
  [
    "less than none",
    () => put(-1),
    [
      422,
      "Invalid",
      'Scale.autoscaling "d" is invalid: spec.replicas: Invalid value: -1: must be greater than or equal to 0',
    ],
  ],
  [
    "no number",
    () => put("x"),
    [
      400,
      "BadRequest",
      'Scale in version "v1" cannot be handled as a Scale: json: cannot unmarshal string into Go struct field ScaleSpec.spec.replicas of type int32',
    ],
  ],
  [
    "an older version",
    () => put(2, { resourceVersion: "1" }),
    [
      409,
      "Conflict",
      'Operation cannot be fulfilled on deployments.apps "d": the object has been modified; please apply your changes to the latest version and try again',
    ],
  ],
  [
    "another name",
    () => put(2, { name: "x" }),
    [400, "BadRequest", "the name of the object (x) does not match the name on the URL (d)"],
  ],
])("refuses %s", async (_, ask, want) => {
  expect(refusal(await ask())).toEqual(want);
});

test("refuses other kinds, verbs and objects", async () => {
  const other = await put(2, {}, { kind: "Deployment" });
  expect(refusal(other)).toEqual([
    400,
    "BadRequest",
    expect.stringContaining('Deployment in version "v1" cannot be handled as a Scale'),
  ]);
  expect((await scene.api.ask("POST", `${deployment}/scale`, {})).status).toBe(405);
  expect((await scene.api.ask("DELETE", `${deployment}/scale`)).status).toBe(405);
  expect((await scene.api.ask("GET", `${scene.path("deployments", "apps/v1")}/none/scale`)).status).toBe(404);
  expect((await scene.api.ask("GET", `${scene.path("configmaps")}/x/scale`)).status).toBe(404);
  expect(textOf((await put(7, { uid: "x" })).body["reason"])).toBe("Conflict");
});

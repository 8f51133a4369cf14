/** Applying, scaling and collecting objects of a kind that nobody has seen before, asked over HTTPS: runs against ours and a real API server alike. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type Answer, type Json, textOf } from "./api-under-test.ts";
import { openScene, owners, patchTypes, refusal, type Scene, until } from "./scene.ts";

let scene: Scene;
let things = "";
const group = `g${crypto.randomUUID().slice(0, 8)}.example.com`;
const definition = `/apis/apiextensions.k8s.io/v1/customresourcedefinitions/things.${group}`;

const text = { type: "string" };
const integer = { type: "integer" };
const schema = {
  type: "object",
  properties: {
    spec: {
      type: "object",
      properties: {
        replicas: integer,
        name: text,
        filled: { ...text, default: "dd" },
        tags: { type: "array", items: text, "x-kubernetes-list-type": "set" },
        list: { type: "array", items: text },
        ports: {
          type: "array",
          "x-kubernetes-list-type": "map",
          "x-kubernetes-list-map-keys": ["port", "protocol"],
          items: {
            type: "object",
            required: ["port", "protocol"],
            properties: { port: integer, protocol: { ...text, default: "TCP" }, name: text },
          },
        },
        keyed: {
          type: "array",
          "x-kubernetes-list-type": "map",
          "x-kubernetes-list-map-keys": ["k"],
          items: { type: "object", required: ["k"], properties: { k: text, v: text } },
        },
        sub: { type: "object", properties: { x: integer, y: integer } },
        map: { type: "object", additionalProperties: text },
        whole: { type: "object", "x-kubernetes-map-type": "atomic", additionalProperties: text },
        free: { type: "object", "x-kubernetes-preserve-unknown-fields": true },
      },
    },
    status: { type: "object", properties: { a: text, replicas: integer, selector: text } },
  },
};

beforeAll(async () => {
  scene = await openScene("custom");
  const version = { served: true, schema: { openAPIV3Schema: schema } };
  const scale = {
    specReplicasPath: ".spec.replicas",
    statusReplicasPath: ".status.replicas",
    labelSelectorPath: ".status.selector",
  };
  const made = await scene.api.ask("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: `things.${group}` },
    spec: {
      group,
      scope: "Namespaced",
      names: { plural: "things", kind: "Thing" },
      versions: [
        { ...version, name: "v1", storage: true, subresources: { status: {}, scale } },
        { ...version, name: "v2", storage: false, subresources: { status: {} } },
      ],
    },
  });
  expect(made.status).toBe(201);
  things = scene.path("things", `${group}/v1`);
  // A real server takes some moments to serve it, and some more to know how to merge it.
  await until(async () => {
    const tried = await scene.api.ask(
      "PATCH",
      `${things}/probe?fieldManager=probe&dryRun=All`,
      thing("probe", { ports: [{ port: 1 }] }),
      patchTypes.apply,
    );
    const [mine] = owners(tried.body);
    return JSON.stringify(mine?.[3] ?? "").includes("k:{") ? true : undefined;
  });
}, 60_000);

afterAll(async () => {
  await scene.api.ask("DELETE", definition);
  await scene[Symbol.asyncDispose]();
});

function thing(name: string, spec: unknown, more: object = {}, version = "v1"): object {
  return { apiVersion: `${group}/${version}`, kind: "Thing", metadata: { name }, spec, ...more };
}

function apply(name: string, manager: string, spec: unknown, more: object = {}): Promise<Answer> {
  const path = `${things}/${name}?fieldManager=${manager}`;
  return scene.api.ask("PATCH", path, thing(name, spec, more), patchTypes.apply);
}

function specOf(body: Json): unknown {
  return body["spec"];
}

describe("applying", () => {
  test("owns what is applied, by its schema, and not what was filled in", async () => {
    const spec = {
      replicas: 1,
      tags: ["a"],
      list: ["x"],
      ports: [{ port: 80, name: "n" }],
      sub: { x: 1 },
      map: { a: "1" },
      whole: { a: "1" },
      free: { a: { b: [1] } },
    };
    const { status, body } = await apply(scene.fresh(), "one", spec, { status: { a: "x" } });
    expect([status, body["status"] as unknown]).toEqual([201, undefined]);
    expect(specOf(body)).toEqual({
      ...spec,
      filled: "dd",
      ports: [{ port: 80, name: "n", protocol: "TCP" }],
    });
    expect(owners(body)).toEqual([
      [
        "one",
        "Apply",
        "",
        {
          "f:spec": {
            "f:free": { "f:a": { ".": {}, "f:b": {} } },
            "f:list": {},
            "f:map": { "f:a": {} },
            "f:ports": { 'k:{"port":80,"protocol":"TCP"}': { ".": {}, "f:name": {}, "f:port": {} } },
            "f:replicas": {},
            "f:sub": { "f:x": {} },
            "f:tags": { 'v:"a"': {} },
            "f:whole": {},
          },
        },
      ],
    ]);
  });

  test("of less removes the rest, of nothing removes it all", async () => {
    const name = scene.fresh();
    await apply(name, "one", { replicas: 1, sub: { x: 1 }, map: { a: "1" }, ports: [{ port: 80 }] });
    expect(specOf((await apply(name, "one", { replicas: 1 })).body)).toEqual({ filled: "dd", replicas: 1 });
    const empty = await apply(name, "one", { sub: {}, map: {}, ports: [], tags: [] });
    expect(specOf(empty.body)).toEqual({ filled: "dd", map: {}, ports: [], sub: {}, tags: [] });
    expect(owners(empty.body)[0]?.[3]).toEqual({ "f:spec": { "f:map": {}, "f:sub": {} } });
    const none = await scene.api.ask(
      "PATCH",
      `${things}/${name}?fieldManager=one`,
      { apiVersion: `${group}/v1`, kind: "Thing", metadata: { name } },
      patchTypes.apply,
    );
    expect([specOf(none.body), owners(none.body)]).toEqual([undefined, []]);
  });

  test("keeps what others own", async () => {
    const name = scene.fresh();
    await apply(name, "one", { map: { a: "1", b: "2" }, sub: { x: 1, y: 2 } });
    await apply(name, "two", { map: { b: "2" }, sub: { y: 2 } });
    const left = await apply(name, "one", {});
    expect(specOf(left.body)).toEqual({ filled: "dd", map: { b: "2" }, sub: { y: 2 } });
  });

  test("in another version is the same owner's", async () => {
    const name = scene.fresh();
    await apply(name, "one", { name: "v1" });
    const path = `${scene.path("things", `${group}/v2`)}/${name}?fieldManager=one`;
    const other = await scene.api.ask("PATCH", path, thing(name, { name: "v2" }, {}, "v2"), patchTypes.apply);
    expect([other.status, other.body["apiVersion"] as unknown]).toEqual([200, `${group}/v2`]);
    const entries = (other.body["metadata"]?.["managedFields"] ?? []) as unknown as readonly Json[];
    expect(entries.map((entry) => textOf(entry["apiVersion"]))).toEqual([`${group}/v2`]);
  });

  test("of a status owns the status alone", async () => {
    const name = scene.fresh();
    await apply(name, "one", { replicas: 1 });
    const applied = await scene.api.ask(
      "PATCH",
      `${things}/${name}/status?fieldManager=st`,
      thing(name, { replicas: 5 }, { metadata: { name, labels: { y: "1" } }, status: { a: "1" } }),
      patchTypes.apply,
    );
    expect([applied.body["status"] as unknown, applied.body["metadata"]?.["labels"] as unknown]).toEqual([
      { a: "1" },
      undefined,
    ]);
    expect(applied.body["spec"]?.["replicas"] as unknown).toBe(1);
    expect(owners(applied.body).find(([manager]) => manager === "st")).toEqual([
      "st",
      "Apply",
      "status",
      { "f:status": { "f:a": {} } },
    ]);
  });

  test.each<[object, string]>([
    [{ nope: 1 }, ".spec.nope: field not declared in schema"],
    [{ replicas: "x" }, ".spec.replicas: expected numeric (int or float), got string"],
    [{ tags: {} }, ".spec.tags: expected list, got &{map[]}"],
    [{ map: [1] }, ".spec.map: expected map, got &{[1]}"],
    [{ tags: ["a", "a"] }, '.spec.tags: duplicate entries for key [="a"]'],
    [
      { keyed: [{ v: "1" }] },
      '.spec.keyed: element 0: associative list with keys has an element that omits all key fields ["k"] (and doesn\'t have default values for any key fields)',
    ],
  ])("refuses %j", async (spec, why) => {
    expect(refusal(await apply("x", "one", spec))).toEqual([
      500,
      "",
      `failed to create typed patch object (/x; ${group}/v1, Kind=Thing): ${why}`,
    ]);
  });
});

test("an update owns containers, and what was filled in", async () => {
  const name = scene.fresh();
  const body = thing(name, { replicas: 1, map: { a: "1" }, sub: {}, tags: ["a"] });
  const made = await scene.api.ask("POST", `${things}?fieldManager=hand`, body);
  expect(owners(made.body)).toEqual([
    [
      "hand",
      "Update",
      "",
      {
        "f:spec": {
          ".": {},
          "f:filled": {},
          "f:map": { ".": {}, "f:a": {} },
          "f:replicas": {},
          "f:sub": {},
          "f:tags": { ".": {}, 'v:"a"': {} },
        },
      },
    ],
  ]);
});

test("patches of such kinds are JSON, merge or apply", async () => {
  expect(refusal(await scene.api.ask("PATCH", `${things}/x`, {}, patchTypes.strategic))).toEqual([
    415,
    "UnsupportedMediaType",
    "the body of the request was in an unknown format - accepted media types include: application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml",
  ]);
});

describe("scale", () => {
  test("reads and writes where the definition says", async () => {
    const name = scene.fresh();
    await apply(name, "one", { replicas: 7 });
    const status = { status: { replicas: 3, selector: "a=b" } };
    await scene.api.ask("PATCH", `${things}/${name}/status`, status, patchTypes.merge);
    const { body } = await scene.api.ask("GET", `${things}/${name}/scale`);
    expect([body["spec"] as unknown, body["status"] as unknown]).toEqual([
      { replicas: 7 },
      { replicas: 3, selector: "a=b" },
    ]);
    const put = await scene.api.ask("PUT", `${things}/${name}/scale`, {
      kind: "Scale",
      apiVersion: "autoscaling/v1",
      metadata: { name, namespace: scene.namespace },
      spec: { replicas: 4 },
    });
    expect([put.status, put.body["spec"]?.["replicas"] as unknown]).toEqual([200, 4]);
    const patch = { spec: { replicas: -6 } };
    const wrong = await scene.api.ask("PATCH", `${things}/${name}/scale`, patch, patchTypes.merge);
    expect(refusal(wrong)).toEqual([
      422,
      "Invalid",
      `Thing.${group} "${name}" is invalid: .spec.replicas: Invalid value: -6: should be a non-negative integer`,
    ]);
    const after = await scene.api.ask("GET", `${things}/${name}`);
    expect([after.body["spec"]?.["replicas"] as unknown, after.body["metadata"]?.["generation"]]).toEqual([
      4, 2,
    ] as never);
  });
});

async function family(blocks: boolean): Promise<readonly [owner: string, child: string]> {
  const [owner, child] = [scene.fresh(), scene.fresh()];
  const { body } = await scene.api.ask("POST", things, thing(owner, {}));
  const reference = {
    apiVersion: `${group}/v1`,
    kind: "Thing",
    name: owner,
    uid: body["metadata"]?.["uid"],
    blockOwnerDeletion: blocks,
  };
  await scene.api.ask("POST", scene.path("configmaps"), {
    metadata: { name: child, ownerReferences: [reference] },
  });
  return [`${things}/${owner}`, `${scene.path("configmaps")}/${child}`];
}

async function isGone(path: string): Promise<true | undefined> {
  return (await scene.api.ask("GET", path)).status === 404 ? true : undefined;
}

describe("collection", () => {
  test.each(["Background", "Foreground"])("by %s takes a built-in dependant along", async (policy) => {
    const [owner, child] = await family(policy === "Foreground");
    await scene.api.ask("DELETE", owner, { propagationPolicy: policy });
    await until(() => isGone(child));
    await until(() => isGone(owner));
  });

  test("by Orphan leaves it, without its owner", async () => {
    const [owner, child] = await family(true);
    const { body } = await scene.api.ask("DELETE", owner, { propagationPolicy: "Orphan" });
    expect(body["metadata"]?.["finalizers"] as unknown).toEqual(["orphan"]);
    await until(() => isGone(owner));
    const left = await scene.api.ask("GET", child);
    expect(left.body["metadata"]?.["ownerReferences"] as unknown).toBeUndefined();
  });
});

/** Versions of a definition whose objects have a map. */
function versions(map: object): readonly object[] {
  const spec = { type: "object", properties: { map: { ...map, additionalProperties: text } } };
  const openAPIV3Schema = { type: "object", properties: { spec } };
  return [{ name: "v1", served: true, storage: true, schema: { openAPIV3Schema } }];
}

function fields({ body }: Answer): unknown {
  return owners(body)[0]?.[3];
}

test("who owned parts of what becomes one by a changed definition owns it", async () => {
  const ownGroup = `h${crypto.randomUUID().slice(0, 8)}.example.com`;
  const path = `/apis/apiextensions.k8s.io/v1/customresourcedefinitions/parts.${ownGroup}`;
  const parts = scene.path("parts", `${ownGroup}/v1`);
  const names = { plural: "parts", kind: "Part" };
  await scene.api.ask("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", {
    metadata: { name: `parts.${ownGroup}` },
    spec: { group: ownGroup, scope: "Namespaced", names, versions: versions({ type: "object" }) },
  });
  const send = (name: string, manager: string, map: object): Promise<Answer> => {
    const part = { apiVersion: `${ownGroup}/v1`, kind: "Part", metadata: { name }, spec: { map } };
    return scene.api.ask("PATCH", `${parts}/${name}?fieldManager=${manager}`, part, patchTypes.apply);
  };
  const whole = { "f:spec": { "f:map": {} } };
  const first = await until(async () => {
    const made = await send(scene.fresh(), "one", { a: "1" });
    return made.status === 201 && !Bun.deepEquals(fields(made), whole) ? made : undefined;
  });
  const name = textOf(first.body["metadata"]?.["name"]);
  const atomic = { spec: { versions: versions({ type: "object", "x-kubernetes-map-type": "atomic" }) } };
  await scene.api.ask("PATCH", path, atomic, patchTypes.merge);
  await until(async () =>
    Bun.deepEquals(fields(await send(scene.fresh(), "one", { a: "1" })), whole) ? true : undefined,
  );
  expect((await send(name, "two", { b: "1" })).body["message"] as unknown).toBe(
    'Apply failed with 1 conflict: conflict with "one": .spec.map',
  );
  await scene.api.ask("DELETE", path);
});

/** Server-side apply and field managers, asked over HTTPS: runs against ours and a real API server alike. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type Answer, itemsOf, type Json } from "./api-under-test.ts";
import { openScene, owners, patchTypes, refusal, type Scene } from "./scene.ts";

let scene: Scene;

beforeAll(async () => {
  scene = await openScene("apply");
});

afterAll(() => scene[Symbol.asyncDispose]());

function configMap(name: string, data: unknown, more: object = {}): object {
  return { apiVersion: "v1", kind: "ConfigMap", metadata: { name, ...more }, data };
}

function apply(name: string, manager: string, config: unknown, more = ""): Promise<Answer> {
  const path = `${scene.path("configmaps")}/${name}?fieldManager=${manager}${more}`;
  return scene.api.ask("PATCH", path, config, patchTypes.apply);
}

function patch(name: string, manager: string, value: unknown): Promise<Answer> {
  const path = `${scene.path("configmaps")}/${name}?fieldManager=${manager}`;
  return scene.api.ask("PATCH", path, value, patchTypes.merge);
}

function numbers(body: Json): unknown {
  return itemsOf(body["spec"]?.["ports"]).map((port) => port["port"]);
}

function version(body: Json): unknown {
  return body["metadata"]?.["resourceVersion"];
}

const me = "Apply";

describe("managers", () => {
  test.each<[string, Record<string, string>, string, string]>([
    ["the user agent's first word", { "user-agent": "kubectl/v1.37.2 (linux/amd64)" }, "", "kubectl"],
    ["unknown without one", { "user-agent": "" }, "", "unknown"],
    ["what the query says", { "user-agent": "curl/8" }, "?fieldManager=joe", "joe"],
  ])("are named by %s", async (_, headers, query, want) => {
    const name = scene.fresh();
    const made = await scene.api.ask(
      "POST",
      `${scene.path("configmaps")}${query}`,
      configMap(name, { a: "1" }, { labels: { l: "1" }, finalizers: ["example.com/x"] }),
      { "content-type": "application/json", ...headers },
    );
    expect(owners(made.body)).toEqual([
      [
        want,
        "Update",
        "",
        {
          "f:data": { ".": {}, "f:a": {} },
          "f:metadata": {
            "f:finalizers": { ".": {}, 'v:"example.com/x"': {} },
            "f:labels": { ".": {}, "f:l": {} },
          },
        },
      ],
    ]);
    await patch(name, "clean", { metadata: { finalizers: null } });
  });

  test("own what they change, and lose what others change or remove", async () => {
    const name = scene.fresh();
    await scene.api.ask(
      "POST",
      `${scene.path("configmaps")}?fieldManager=one`,
      configMap(name, { a: "1", b: "1" }),
    );
    const { body } = await patch(name, "two", { data: { a: "2", b: null, c: "2" } });
    expect(owners(body)).toEqual([
      ["one", "Update", "", { "f:data": {} }],
      ["two", "Update", "", { "f:data": { "f:a": {}, "f:c": {} } }],
    ]);
  });

  test("of a service own its ports by their keys, defaults included, and no allocated address", async () => {
    const made = await scene.api.ask("POST", `${scene.path("services")}?fieldManager=one`, {
      metadata: { name: `s${scene.fresh()}` },
      spec: { ports: [{ port: 80, name: "a" }], selector: { a: "b" } },
    });
    expect(owners(made.body)).toEqual([
      [
        "one",
        "Update",
        "",
        {
          "f:spec": {
            "f:internalTrafficPolicy": {},
            "f:ports": {
              ".": {},
              'k:{"port":80,"protocol":"TCP"}': {
                ".": {},
                "f:name": {},
                "f:port": {},
                "f:protocol": {},
                "f:targetPort": {},
              },
            },
            "f:selector": {},
            "f:sessionAffinity": {},
            "f:type": {},
          },
        },
      ],
    ]);
  });

  test("of a secret own its data, whichever way they wrote it", async () => {
    const made = await scene.api.ask("POST", `${scene.path("secrets")}?fieldManager=one`, {
      metadata: { name: scene.fresh() },
      stringData: { a: "x" },
    });
    expect(owners(made.body)).toEqual([
      ["one", "Update", "", { "f:data": { ".": {}, "f:a": {} }, "f:type": {} }],
    ]);
  });

  test("can be forgotten and set by a client", async () => {
    const name = scene.fresh();
    await apply(name, "one", configMap(name, { a: "1" }));
    const reset = await patch(name, "two", { metadata: { managedFields: [{}] } });
    expect(owners(reset.body)).toEqual([]);
    expect(owners((await patch(name, "two", { data: { b: "2" } })).body)).toEqual([]);
    const taken = await apply(name, "one", configMap(name, { a: "1" }));
    expect(owners(taken.body)).toEqual([
      ["one", me, "", { "f:data": { "f:a": {} } }],
      ["before-first-apply", "Update", "", { "f:data": { ".": {}, "f:a": {}, "f:b": {} } }],
    ]);
    const set = await patch(name, "two", {
      metadata: {
        managedFields: [
          {
            manager: "three",
            operation: "Apply",
            apiVersion: "v1",
            fieldsType: "FieldsV1",
            fieldsV1: { "f:data": { "f:b": {} } },
          },
        ],
      },
    });
    expect(owners(set.body)).toEqual([["three", me, "", { "f:data": { "f:b": {} } }]]);
  });
});

describe("apply", () => {
  test("makes an object, and makes it only once", async () => {
    const name = scene.fresh();
    const made = await apply(name, "one", configMap(name, { a: "1" }));
    expect([made.status, made.body["data"] as unknown]).toEqual([201, { a: "1" }]);
    expect(owners(made.body)).toEqual([["one", me, "", { "f:data": { "f:a": {} } }]]);
    const again = await apply(name, "one", configMap(name, { a: "1" }));
    expect([again.status, version(again.body)]).toEqual([200, version(made.body)]);
    expect(again.body).toEqual(made.body);
  });

  test("takes YAML, and removes what is not applied any more", async () => {
    const name = scene.fresh();
    await apply(name, "one", configMap(name, { a: "1", b: "1" }, { labels: { x: "1" } }));
    await patch(name, "hand", { data: { c: "1" } });
    const yaml = `apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: ${name}\ndata:\n  a: "2"\n`;
    const { status, body } = await apply(name, "one", yaml);
    expect([status, body["data"] as unknown, body["metadata"]?.["labels"] as unknown]).toEqual([
      200,
      { a: "2", c: "1" },
      undefined,
    ]);
  });

  test("shares equal values and keeps them until the last owner lets go", async () => {
    const name = scene.fresh();
    await apply(name, "one", configMap(name, { a: "1", b: "1" }));
    const shared = await apply(name, "two", configMap(name, { a: "1" }));
    const [two, one] = [{ "f:data": { "f:a": {} } }, { "f:data": { "f:a": {}, "f:b": {} } }];
    expect(owners(shared.body)).toEqual([
      ["two", me, "", two],
      ["one", me, "", one],
    ]);
    const left = await apply(name, "one", configMap(name, { b: "1" }));
    expect(left.body["data"] as unknown).toEqual({ a: "1", b: "1" });
    const gone = await apply(name, "two", configMap(name, {}));
    expect(gone.body["data"] as unknown).toEqual({ b: "1" });
  });

  test("conflicts with whoever has a field at another value, and names them", async () => {
    const name = scene.fresh();
    await apply(name, "one", configMap(name, { a: "1", b: "1" }));
    const refused = await apply(name, "two", configMap(name, { a: "2" }));
    expect(refused.body).toEqual({
      kind: "Status",
      apiVersion: "v1",
      metadata: {},
      status: "Failure",
      message: 'Apply failed with 1 conflict: conflict with "one": .data.a',
      reason: "Conflict",
      details: {
        causes: [{ reason: "FieldManagerConflict", message: 'conflict with "one"', field: ".data.a" }],
      },
      code: 409,
    } as never);
    await patch(name, "hand", { data: { c: "1" } });
    const many = await apply(name, "two", configMap(name, { a: "2", b: "2", c: "2" }));
    expect(refusal(many)).toEqual([
      409,
      "Conflict",
      'Apply failed with 3 conflicts: conflicts with "hand" using v1:\n- .data.c\nconflicts with "one":\n- .data.a\n- .data.b',
    ]);
    const forced = await apply(name, "two", configMap(name, { a: "2" }), "&force=true");
    expect([forced.status, forced.body["data"] as unknown]).toEqual([200, { a: "2", b: "1", c: "1" }]);
    expect(owners(forced.body).filter(([, operation]) => operation === me)).toEqual([
      ["one", me, "", { "f:data": { "f:b": {} } }],
      ["two", me, "", { "f:data": { "f:a": {} } }],
    ]);
  });

  test("does nothing in a dry run but answer", async () => {
    const name = scene.fresh();
    const tried = await apply(name, "one", configMap(name, { a: "1" }), "&dryRun=All");
    expect([tried.status, tried.body["data"] as unknown]).toEqual([201, { a: "1" }]);
    expect((await scene.api.ask("GET", `${scene.path("configmaps")}/${name}`)).status).toBe(404);
  });

  test("merges a service's ports by their keys", async () => {
    const name = `s${scene.fresh()}`;
    const at = (manager: string): string => `${scene.path("services")}/${name}?fieldManager=${manager}`;
    const service = (ports: unknown): object => ({
      apiVersion: "v1",
      kind: "Service",
      metadata: { name },
      spec: { ports, selector: { a: "b" } },
    });
    const made = await scene.api.ask(
      "PATCH",
      at("one"),
      service([
        { port: 80, name: "a" },
        { port: 81, name: "b" },
      ]),
      patchTypes.apply,
    );
    expect(made.body["spec"]?.["ports"] as unknown).toEqual([
      { name: "a", port: 80, protocol: "TCP", targetPort: 80 },
      { name: "b", port: 81, protocol: "TCP", targetPort: 81 },
    ]);
    expect(owners(made.body)).toEqual([
      [
        "one",
        me,
        "",
        {
          "f:spec": {
            "f:ports": {
              'k:{"port":80,"protocol":"TCP"}': { ".": {}, "f:name": {}, "f:port": {} },
              'k:{"port":81,"protocol":"TCP"}': { ".": {}, "f:name": {}, "f:port": {} },
            },
            "f:selector": {},
          },
        },
      ],
    ]);
    const other = { ...service([{ port: 82, name: "c", protocol: "UDP" }]) };
    const added = await scene.api.ask("PATCH", at("two"), other, patchTypes.apply);
    expect(numbers(added.body)).toEqual([80, 81, 82] as never);
    const less = await scene.api.ask(
      "PATCH",
      at("one"),
      service([{ port: 81, name: "b" }]),
      patchTypes.apply,
    );
    expect(numbers(less.body)).toEqual([81, 82] as never);
    const twice = service([{ port: 80 }, { port: 80 }]);
    expect(refusal(await scene.api.ask("PATCH", at("one"), twice, patchTypes.apply))).toEqual([
      500,
      "",
      `failed to create typed patch object (/${name}; /v1, Kind=Service): .spec.ports: duplicate entries for key [port=80,protocol="TCP"]`,
    ]);
  });

  test("of a status owns the status and labels only", async () => {
    const name = `s${scene.fresh()}`;
    const body = { metadata: { name }, spec: { ports: [{ port: 80 }] } };
    await scene.api.ask("POST", `${scene.path("services")}?fieldManager=one`, body);
    const condition = {
      type: "A",
      status: "True",
      reason: "x",
      message: "",
      lastTransitionTime: "2020-01-01T00:00:00Z",
    };
    const applied = await scene.api.ask(
      "PATCH",
      `${scene.path("services")}/${name}/status?fieldManager=st`,
      {
        apiVersion: "v1",
        kind: "Service",
        metadata: { name, labels: { z: "1" } },
        spec: { selector: { q: "1" } },
        status: { conditions: [condition] },
      },
      patchTypes.apply,
    );
    expect(applied.body["spec"]?.["selector"] as unknown).toBeUndefined();
    expect(applied.body["metadata"]?.["labels"] as unknown).toEqual({ z: "1" });
    expect(owners(applied.body)[0]?.slice(0, 3)).toEqual(["st", me, "status"]);
    expect(owners(applied.body)[0]?.[3]).toMatchObject({
      "f:metadata": { "f:labels": { "f:z": {} } },
      "f:status": { "f:conditions": { 'k:{"type":"A"}': { ".": {}, "f:status": {} } } },
    });
  });

  test("takes over what kubectl applied by its old way, and keeps its annotation true", async () => {
    const name = scene.fresh();
    const key = "kubectl.kubernetes.io/last-applied-configuration";
    const earlier = configMap(name, { a: "1", b: "1" });
    await scene.api.ask(
      "POST",
      `${scene.path("configmaps")}?fieldManager=kubectl-client-side-apply`,
      configMap(name, { a: "1", b: "1" }, { annotations: { [key]: `${JSON.stringify(earlier)}\n` } }),
    );
    const other = await apply(name, "somebody", configMap(name, { a: "2" }));
    expect(other.status).toBe(409);
    await patch(name, "set", { data: { b: "9" } });
    expect((await apply(name, "kubectl", configMap(name, { a: "2", b: "2" }))).status).toBe(409);
    await patch(name, "set", { data: { b: "1" } });
    const taken = await apply(name, "kubectl", configMap(name, { a: "2" }));
    expect([taken.status, taken.body["data"] as unknown]).toEqual([200, { a: "2", b: "1" }]);
    const annotation: unknown = taken.body["metadata"]?.["annotations"]?.[key];
    expect(JSON.parse(String(annotation))).toEqual(configMap(name, { a: "2" }));
    await patch(name, "hand", { data: { b: "3" } });
    expect((await apply(name, "kubectl", configMap(name, { a: "2", b: "4" }))).status).toBe(409);
  });

  test("keeps to a version and a uid", async () => {
    const name = scene.fresh();
    const uid = "00000000-0000-4000-8000-000000000000";
    expect(refusal(await apply(name, "one", configMap(name, {}, { uid })))).toEqual([
      409,
      "Conflict",
      `Operation cannot be fulfilled on configmaps "${name}": uid mismatch: the provided object specified uid ${uid}, and no existing object was found`,
    ]);
    await apply(name, "one", configMap(name, { a: "1" }));
    expect((await apply(name, "one", configMap(name, {}, { uid }))).status).toBe(422);
    expect((await apply(name, "one", configMap(name, {}, { resourceVersion: "1" }))).status).toBe(409);
  });

  const x = { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "x" } };
  test.each<[string, unknown, string, readonly [number, string]]>([
    [
      "a manager's absence",
      x,
      "",
      [
        422,
        'PatchOptions.meta.k8s.io "" is invalid: fieldManager: Required value: is required for apply patch',
      ],
    ],
    [
      "entries of managers",
      { ...x, metadata: { name: "x", managedFields: [{ manager: "a" }] } },
      "m",
      [400, "metadata.managedFields must be nil"],
    ],
    ["no type", { metadata: { name: "x" } }, "m", [400, "invalid object type: /, Kind="]],
    ["another kind", { ...x, kind: "Secret" }, "m", [400, "invalid object type: /v1, Kind=Secret"]],
    ["another version", { ...x, apiVersion: "v2" }, "m", [400, "invalid object type: /v2, Kind=ConfigMap"]],
    [
      "another name",
      { ...x, metadata: { name: "y" } },
      "m",
      [400, "the name of the object (y) does not match the name on the URL (x)"],
    ],
    [
      "no name",
      { ...x, metadata: {} },
      "m",
      [400, "the name of the object (x based on URL) was undeterminable: name must be provided"],
    ],
    [
      "another namespace",
      { ...x, metadata: { name: "x", namespace: "default" } },
      "m",
      [400, "the namespace of the provided object does not match the namespace sent on the request"],
    ],
    [
      "unknown fields",
      { ...x, foo: 1 },
      "m",
      [
        500,
        "failed to create typed patch object (/x; /v1, Kind=ConfigMap): .foo: field not declared in schema",
      ],
    ],
    [
      "values of another type",
      { ...x, data: { a: 2 } },
      "m",
      [
        500,
        "failed to create typed patch object (/x; /v1, Kind=ConfigMap): .data.a: expected string, got &value.valueUnstructured{Value:2}",
      ],
    ],
  ])("refuses %s", async (_, config, manager, want) => {
    const query = manager === "" ? "" : `?fieldManager=${manager}`;
    const path = `${scene.path("configmaps")}/x${query}`;
    const answer = await scene.api.ask("PATCH", path, config, patchTypes.apply);
    expect([answer.status, answer.body["message"] as unknown]).toEqual([...want]);
  });

  test("force is for applying only", async () => {
    const path = `${scene.path("configmaps")}/x?force=true`;
    const answer = await scene.api.ask("PATCH", path, {}, patchTypes.merge);
    expect(refusal(answer)).toEqual([
      422,
      "Invalid",
      'PatchOptions.meta.k8s.io "" is invalid: force: Forbidden: may not be specified for non-apply patch',
    ]);
  });
});

/** What any Kubernetes API does with objects, asked over HTTPS: runs against ours and a real one alike. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type ApiUnderTest, itemsOf, type Json, openApiUnderTest, textOf } from "./api-under-test.ts";

let api: ApiUnderTest;
let serial = 0;
const namespace = `contract-${crypto.randomUUID().slice(0, 8)}`;
const maps = `/api/v1/namespaces/${namespace}/configmaps`;
const merge = { "content-type": "application/merge-patch+json" };

function freshName(): string {
  return `x${++serial}`;
}

function configMap(name: string, more: object = {}): object {
  return { apiVersion: "v1", kind: "ConfigMap", metadata: { name }, data: { a: "1" }, ...more };
}

async function until<Value>(look: () => Promise<Value | undefined>): Promise<Value> {
  const deadlineMs = Date.now() + 55_000;
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    if (Date.now() > deadlineMs) throw new Error("what the test waits for did not come");
    await Bun.sleep(5);
  }
}

beforeAll(async () => {
  api = openApiUnderTest();
  const made = await api.ask("POST", "/api/v1/namespaces", { metadata: { name: namespace } });
  expect(made.status).toBe(201);
});

afterAll(async () => {
  await api.ask("DELETE", `/api/v1/namespaces/${namespace}`);
  await api[Symbol.asyncDispose]();
});

describe("create", () => {
  test("fills in what the system owns", async () => {
    const name = freshName();
    const { status, body } = await api.ask("POST", maps, configMap(name));
    expect(status).toBe(201);
    expect(body).toMatchObject({ apiVersion: "v1", kind: "ConfigMap", data: { a: "1" } });
    const { metadata } = body as unknown as { metadata: Record<string, string> };
    expect(metadata["name"]).toBe(name);
    expect(metadata["namespace"]).toBe(namespace);
    expect(metadata["uid"]).toMatch(/^[0-9a-f-]{36}$/);
    expect(metadata["resourceVersion"]).toMatch(/^\d+$/);
    expect(metadata["creationTimestamp"]).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
  });

  test("makes a name from generateName", async () => {
    const { body } = await api.ask("POST", maps, { metadata: { generateName: "made-" } });
    expect(textOf(body["metadata"]?.["name"])).toMatch(/^made-[a-z0-9]{5}$/);
  });

  test("takes YAML", async () => {
    const name = freshName();
    const yaml = `apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: ${name}\ndata:\n  b: "2"\n`;
    const { status, body } = await api.ask("POST", maps, yaml, { "content-type": "application/yaml" });
    expect([status, body["data"] as unknown]).toEqual([201, { b: "2" }]);
  });

  test("does nothing in a dry run but answer", async () => {
    const name = freshName();
    expect((await api.ask("POST", `${maps}?dryRun=All`, configMap(name))).status).toBe(201);
    expect((await api.ask("GET", `${maps}/${name}`)).status).toBe(404);
  });

  const refused: readonly [what: string, body: unknown, status: number, reason: string][] = [
    ["no name", { metadata: {} }, 422, "Invalid"],
    ["a name in capitals", configMap("NO"), 422, "Invalid"],
    ["another kind", { kind: "Secret", apiVersion: "v1", metadata: { name: "x" } }, 400, "BadRequest"],
    ["another version", { kind: "ConfigMap", apiVersion: "v2", metadata: { name: "x" } }, 400, "BadRequest"],
    [
      "another namespace",
      configMap("x", { metadata: { name: "x", namespace: "default" } }),
      400,
      "BadRequest",
    ],
    ["a bad label", configMap("x", { metadata: { name: "x", labels: { a: "b c" } } }), 422, "Invalid"],
    ["broken JSON", "{", 400, "BadRequest"],
  ];
  test.each(refused)("refuses %s", async (_, body, status, reason) => {
    const answer = await api.ask("POST", maps, body);
    expect(answer.status).toBe(status);
    expect(answer.body).toMatchObject({
      kind: "Status",
      apiVersion: "v1",
      status: "Failure",
      code: status,
      reason,
    });
  });

  test("refuses a resourceVersion, as Kubernetes does, without a reason", async () => {
    const answer = await api.ask("POST", maps, { metadata: { name: "rv", resourceVersion: "1" } });
    expect(answer.body as unknown).toEqual({
      kind: "Status",
      apiVersion: "v1",
      metadata: {},
      status: "Failure",
      message: "resourceVersion should not be set on objects to be created",
      code: 500,
    });
  });

  test("tells the wrong field in the causes", async () => {
    const { body } = await api.ask("POST", maps, configMap("NO"));
    expect(body["details"] as unknown).toMatchObject({
      causes: [{ field: "metadata.name", reason: "FieldValueInvalid" }],
    });
  });

  test("refuses a name that is taken", async () => {
    const name = freshName();
    await api.ask("POST", maps, configMap(name));
    const { status, body } = await api.ask("POST", maps, configMap(name));
    expect(status).toBe(409);
    expect(body).toMatchObject({ reason: "AlreadyExists", message: `configmaps "${name}" already exists` });
  });

  test("refuses a namespace that is not there", async () => {
    const { status, body } = await api.ask("POST", "/api/v1/namespaces/nowhere/configmaps", configMap("x"));
    expect([status, body["reason"] as unknown, body["message"] as unknown]).toEqual([
      404,
      "NotFound",
      'namespaces "nowhere" not found',
    ]);
  });

  test("refuses a body above the limit", async () => {
    const big = configMap("big", { data: { a: "x".repeat(4 << 20) } });
    const answer = await api.ask("POST", maps, big);
    expect(answer.status).toBe(413);
    expect(answer.body).toMatchObject({ reason: "RequestEntityTooLarge" });
  });

  test("refuses media types it does not read", async () => {
    const answer = await api.ask("POST", maps, "x", { "content-type": "text/plain" });
    expect(answer.status).toBe(415);
    expect(answer.body).toMatchObject({ reason: "UnsupportedMediaType" });
  });
});

describe("get", () => {
  test("says NotFound with the name", async () => {
    const { status, body } = await api.ask("GET", `${maps}/nobody`);
    expect(status).toBe(404);
    expect(body).toMatchObject({
      reason: "NotFound",
      message: 'configmaps "nobody" not found',
      details: { name: "nobody", kind: "configmaps" },
    });
  });

  test.each(["/api/v1/namespaces/default/nothings/x", "/apis/nobody.example/v1/things", "/nowhere"])(
    "says NotFound for %s",
    async (path) => {
      expect((await api.ask("GET", path)).status).toBe(404);
    },
  );

  test("says MethodNotAllowed for what cannot be done", async () => {
    const answer = await api.ask("POST", "/api/v1/configmaps", configMap("x"));
    expect([answer.status, answer.body["reason"] as unknown]).toEqual([405, "MethodNotAllowed"]);
  });
});

function namesIn(body: Json): readonly string[] {
  return itemsOf(body["items"]).map((item) => textOf(item["metadata"]?.["name"]));
}

describe("list", () => {
  const owner = `list-${crypto.randomUUID().slice(0, 8)}`;
  const query = (more: string): string => `${maps}?labelSelector=owner=${owner}${more}`;

  beforeAll(async () => {
    for (const [name, tier] of [
      ["l1", "a"],
      ["l2", "b"],
      ["l3", "a"],
      ["l4", "c"],
      ["l5", "b"],
    ] as const) {
      await api.ask("POST", maps, { metadata: { name: `${owner}-${name}`, labels: { owner, tier } } });
    }
  });

  test.each([
    ["", ["l1", "l2", "l3", "l4", "l5"]],
    [",tier=a", ["l1", "l3"]],
    [",tier!=a", ["l2", "l4", "l5"]],
    [",tier in (a,c)", ["l1", "l3", "l4"]],
    [",tier notin (a,c)", ["l2", "l5"]],
    [",!tier", []],
    [`&fieldSelector=metadata.name=${owner}-l4`, ["l4"]],
  ])("selects by %p", async (more, want) => {
    const path = query(more.startsWith("&") ? more : encodeURIComponent(more));
    const { body } = await api.ask("GET", path);
    expect(body).toMatchObject({ kind: "ConfigMapList", apiVersion: "v1" });
    expect(namesIn(body)).toEqual(want.map((name) => `${owner}-${name}`));
    expect(textOf(body["metadata"]?.["resourceVersion"])).toMatch(/^\d+$/);
  });

  test("goes by pages", async () => {
    const seen: string[] = [];
    let token = "";
    for (let pages = 0; pages < 10; pages++) {
      const { body } = await api.ask("GET", query(`&limit=2&continue=${encodeURIComponent(token)}`));
      seen.push(...namesIn(body));
      token = textOf(body["metadata"]?.["continue"] ?? "");
      if (token === "") break;
    }
    expect(seen).toEqual(["l1", "l2", "l3", "l4", "l5"].map((name) => `${owner}-${name}`));
  });

  test.each(["labelSelector=a in b", "fieldSelector=spec.x=1", "limit=x", "limit=1&continue=nonsense"])(
    "refuses %p",
    async (more) => {
      const answer = await api.ask("GET", `${maps}?${more.replaceAll(" ", "%20")}`);
      expect([answer.status, answer.body["reason"] as unknown]).toEqual([400, "BadRequest"]);
    },
  );
});

describe("update and patch", () => {
  test("an update against an older version is refused with Conflict", async () => {
    const name = freshName();
    const { body: first } = await api.ask("POST", maps, configMap(name));
    const second = await api.ask("PUT", `${maps}/${name}`, { ...(first as object), data: { a: "2" } });
    expect([second.status, second.body["data"] as unknown]).toEqual([200, { a: "2" }]);
    const late = await api.ask("PUT", `${maps}/${name}`, { ...(first as object), data: { a: "3" } });
    expect(late.status).toBe(409);
    expect(late.body).toMatchObject({ reason: "Conflict", details: { name, kind: "configmaps" } });
  });

  test("an update that changes nothing keeps the version", async () => {
    const name = freshName();
    const { body: first } = await api.ask("POST", maps, configMap(name));
    const again = await api.ask("PUT", `${maps}/${name}`, first);
    expect(again.body["metadata"]?.["resourceVersion"] as unknown).toEqual(
      first["metadata"]?.["resourceVersion"],
    );
  });

  test("an update of another name or of nothing is refused", async () => {
    const name = freshName();
    await api.ask("POST", maps, configMap(name));
    expect((await api.ask("PUT", `${maps}/${name}`, configMap("other"))).status).toBe(400);
    expect((await api.ask("PUT", `${maps}/nobody`, configMap("nobody"))).status).toBe(404);
  });

  test("what the system owns cannot be changed", async () => {
    const name = freshName();
    const { body: first } = await api.ask("POST", maps, configMap(name));
    const patch = { metadata: { creationTimestamp: "2001-01-01T00:00:00Z", labels: { a: "b" } } };
    const { body } = await api.ask("PATCH", `${maps}/${name}`, patch, merge);
    expect(body["metadata"]?.["creationTimestamp"] as unknown).toEqual(
      first["metadata"]?.["creationTimestamp"],
    );
    expect(body["metadata"]?.["labels"] as unknown).toEqual({ a: "b" });
    const other = await api.ask(
      "PATCH",
      `${maps}/${name}`,
      { metadata: { uid: "00000000-0000-4000-8000-000000000000" } },
      merge,
    );
    expect(other.status).toBe(422);
    expect(other.body["message"] as unknown).toContain("metadata.uid: Invalid value");
  });

  test("a merge patch sets and removes", async () => {
    const name = freshName();
    await api.ask("POST", maps, configMap(name, { data: { a: "1", b: "2" } }));
    const { status, body } = await api.ask("PATCH", `${maps}/${name}`, { data: { a: null, c: "3" } }, merge);
    expect([status, body["data"] as unknown]).toEqual([200, { b: "2", c: "3" }]);
  });

  test("a patch that carries an older version is refused", async () => {
    const name = freshName();
    const { body: first } = await api.ask("POST", maps, configMap(name));
    await api.ask("PATCH", `${maps}/${name}`, { data: { a: "2" } }, merge);
    const resourceVersion = first["metadata"]?.["resourceVersion"];
    const late = await api.ask(
      "PATCH",
      `${maps}/${name}`,
      { metadata: { resourceVersion }, data: { a: "3" } },
      merge,
    );
    expect([late.status, late.body["reason"] as unknown]).toEqual([409, "Conflict"]);
  });

  test("a JSON patch applies all of its operations or none", async () => {
    const name = freshName();
    await api.ask("POST", maps, configMap(name));
    const json = { "content-type": "application/json-patch+json" };
    const good = [
      { op: "test", path: "/data/a", value: "1" },
      { op: "add", path: "/data/b", value: "2" },
    ];
    const done = await api.ask("PATCH", `${maps}/${name}`, good, json);
    expect([done.status, done.body["data"] as unknown]).toEqual([200, { a: "1", b: "2" }]);
    const bad = [
      { op: "remove", path: "/data/b" },
      { op: "test", path: "/data/a", value: "9" },
    ];
    expect((await api.ask("PATCH", `${maps}/${name}`, bad, json)).status).toBe(422);
    expect((await api.ask("GET", `${maps}/${name}`)).body["data"] as unknown).toEqual({ a: "1", b: "2" });
  });

  test("a strategic patch merges labels", async () => {
    const name = freshName();
    await api.ask("POST", maps, configMap(name, { metadata: { name, labels: { a: "1", b: "2" } } }));
    const strategic = { "content-type": "application/strategic-merge-patch+json" };
    const { body } = await api.ask(
      "PATCH",
      `${maps}/${name}`,
      { metadata: { labels: { a: null, c: "3" } } },
      strategic,
    );
    expect(body["metadata"]?.["labels"] as unknown).toEqual({ b: "2", c: "3" });
  });

  test("other patches are refused with what is taken", async () => {
    const answer = await api.ask("PATCH", `${maps}/x`, {}, { "content-type": "application/json" });
    expect(answer.status).toBe(415);
  });
});

describe("delete", () => {
  test("says what was deleted", async () => {
    const name = freshName();
    const { body: made } = await api.ask("POST", maps, configMap(name));
    const { status, body } = await api.ask("DELETE", `${maps}/${name}`);
    expect(status).toBe(200);
    expect(body).toMatchObject({
      kind: "Status",
      status: "Success",
      details: { name, uid: made["metadata"]?.["uid"] },
    });
    expect((await api.ask("DELETE", `${maps}/${name}`)).status).toBe(404);
  });

  test("keeps to its preconditions", async () => {
    const name = freshName();
    await api.ask("POST", maps, configMap(name));
    const other = { preconditions: { uid: "00000000-0000-4000-8000-000000000000" } };
    const refused = await api.ask("DELETE", `${maps}/${name}`, other);
    expect([refused.status, refused.body["reason"] as unknown]).toEqual([409, "Conflict"]);
    expect((await api.ask("GET", `${maps}/${name}`)).status).toBe(200);
  });

  test("waits for finalizers", async () => {
    const name = freshName();
    await api.ask("POST", maps, configMap(name, { metadata: { name, finalizers: ["example.com/hold"] } }));
    const { status, body } = await api.ask("DELETE", `${maps}/${name}`);
    expect(status).toBe(200);
    expect(textOf(body["metadata"]?.["deletionTimestamp"])).toMatch(/Z$/);
    const late = { metadata: { finalizers: ["example.com/hold", "example.com/late"] } };
    expect((await api.ask("PATCH", `${maps}/${name}`, late, merge)).status).toBe(422);
    const letGo = await api.ask("PATCH", `${maps}/${name}`, { metadata: { finalizers: null } }, merge);
    expect(letGo.status).toBe(200);
    expect((await api.ask("GET", `${maps}/${name}`)).status).toBe(404);
  });

  test("a collection goes by its selector", async () => {
    for (const [name, labels] of [
      ["c1", { gone: "1" }],
      ["c2", { gone: "1" }],
      ["c3", { gone: "2" }],
    ] as const) {
      await api.ask("POST", maps, configMap(name, { metadata: { name, labels } }));
    }
    expect((await api.ask("DELETE", `${maps}?labelSelector=gone%3D1`)).status).toBe(200);
    const left = await api.ask("GET", `${maps}?labelSelector=gone`);
    expect(itemsOf(left.body["items"]).map((item) => item["metadata"]?.["name"])).toEqual(["c3"] as never);
  });
});

function referenceTo(owner: Json, more: object): object {
  const { name, uid } = owner["metadata"] ?? {};
  return { apiVersion: "v1", kind: "ConfigMap", name, uid, ...more };
}

async function isGone(name: string): Promise<true | undefined> {
  return (await api.ask("GET", `${maps}/${name}`)).status === 404 ? true : undefined;
}

async function family(more: object = {}): Promise<{ owner: string; child: string }> {
  const owner = freshName();
  const child = freshName();
  const { body } = await api.ask("POST", maps, configMap(owner));
  const ownerReferences = [referenceTo(body, more)];
  await api.ask("POST", maps, configMap(child, { metadata: { name: child, ownerReferences } }));
  return { owner, child };
}

describe("ownership", () => {
  test("what is owned goes with its owner", async () => {
    const { owner, child } = await family();
    await api.ask("DELETE", `${maps}/${owner}`, { propagationPolicy: "Background" });
    await until(() => isGone(child));
  });

  test("in the foreground the owner goes last", async () => {
    const { owner, child } = await family({ blockOwnerDeletion: true });
    await api.ask("PATCH", `${maps}/${child}`, { metadata: { finalizers: ["example.com/hold"] } }, merge);
    const { body } = await api.ask("DELETE", `${maps}/${owner}`, { propagationPolicy: "Foreground" });
    expect(body["metadata"]?.["finalizers"] as unknown).toEqual(["foregroundDeletion"]);
    await until(async () => {
      const { body: held } = await api.ask("GET", `${maps}/${child}`);
      return held["metadata"]?.["deletionTimestamp"];
    });
    expect((await api.ask("GET", `${maps}/${owner}`)).status).toBe(200);
    await api.ask("PATCH", `${maps}/${child}`, { metadata: { finalizers: null } }, merge);
    await until(() => isGone(owner));
  });

  test("an orphan stays and forgets its owner", async () => {
    const { owner, child } = await family();
    await api.ask("DELETE", `${maps}/${owner}`, { propagationPolicy: "Orphan" });
    await until(() => isGone(owner));
    const { status, body } = await api.ask("GET", `${maps}/${child}`);
    expect([status, body["metadata"]?.["ownerReferences"] as unknown]).toEqual([200, undefined]);
  });
});

describe("namespaces", () => {
  test("have a default account, and take their content with them", async () => {
    const name = `gone-${crypto.randomUUID().slice(0, 8)}`;
    const path = `/api/v1/namespaces/${name}`;
    const { body } = await api.ask("POST", "/api/v1/namespaces", { metadata: { name } });
    expect(body).toMatchObject({ spec: { finalizers: ["kubernetes"] }, status: { phase: "Active" } });
    expect(body["metadata"]?.["labels"] as unknown).toEqual({ "kubernetes.io/metadata.name": name });
    await until(async () => {
      const { status } = await api.ask("GET", `${path}/serviceaccounts/default`);
      return status === 200 ? true : undefined;
    });
    await api.ask(
      "POST",
      `${path}/configmaps`,
      configMap("held", { metadata: { name: "held", finalizers: ["example.com/hold"] } }),
    );
    await api.ask("DELETE", path);
    const { body: ending } = await api.ask("GET", path);
    expect(ending["status"]?.["phase"] as unknown).toBe("Terminating");
    const late = await api.ask("POST", `${path}/configmaps`, configMap("late"));
    expect([late.status, late.body["reason"] as unknown]).toEqual([403, "Forbidden"]);
    expect(late.body["details"]?.["causes"]?.[0]?.["reason"] as unknown).toBe("NamespaceTerminating");
    await until(async () => {
      const { body: held } = await api.ask("GET", `${path}/configmaps/held`);
      return held["metadata"]?.["deletionTimestamp"];
    });
    await api.ask("PATCH", `${path}/configmaps/held`, { metadata: { finalizers: null } }, merge);
    await until(async () => ((await api.ask("GET", path)).status === 404 ? true : undefined));
  });

  test("default stays", async () => {
    const answer = await api.ask("DELETE", "/api/v1/namespaces/default");
    expect([answer.status, answer.body["reason"] as unknown]).toEqual([403, "Forbidden"]);
  });
});

describe("services", () => {
  const services = `/api/v1/namespaces/${namespace}/services`;

  test("get an address that stays theirs", async () => {
    const name = `s${freshName()}`;
    const { status, body } = await api.ask("POST", services, {
      metadata: { name },
      spec: { ports: [{ port: 80 }] },
    });
    expect(status).toBe(201);
    const address = body["spec"]?.["clusterIP"] as unknown;
    expect(textOf(address)).toMatch(/^10\.96\./);
    expect(body["spec"] as unknown).toMatchObject({
      type: "ClusterIP",
      clusterIPs: [address],
      ports: [{ port: 80, protocol: "TCP", targetPort: 80 }],
    });
    const { metadata } = body as unknown as { metadata: object };
    const put = await api.ask("PUT", `${services}/${name}`, { metadata, spec: { ports: [{ port: 81 }] } });
    expect([put.status, put.body["spec"]?.["clusterIP"] as unknown]).toEqual([200, address]);
    const moved = await api.ask(
      "PATCH",
      `${services}/${name}`,
      { spec: { clusterIP: "10.96.77.77", clusterIPs: ["10.96.77.77"] } },
      merge,
    );
    expect(moved.status).toBe(422);
    const second = await api.ask("POST", services, {
      metadata: { name: `${name}b` },
      spec: { clusterIP: address, ports: [{ port: 80 }] },
    });
    expect(second.status).toBe(422);
    await api.ask("DELETE", `${services}/${name}`);
    const again = await api.ask("POST", services, {
      metadata: { name: `${name}c` },
      spec: { clusterIP: address, ports: [{ port: 80 }] },
    });
    expect([again.status, again.body["spec"]?.["clusterIP"] as unknown]).toEqual([201, address]);
  });

  test("can be headless", async () => {
    const { body } = await api.ask("POST", services, {
      metadata: { name: `s${freshName()}` },
      spec: { clusterIP: "None" },
    });
    expect(body["spec"] as unknown).toMatchObject({ clusterIP: "None", clusterIPs: ["None"] });
  });

  test.each([
    [{}, "spec.ports"],
    [{ ports: [{ port: 0 }] }, "spec.ports[0].port"],
    [{ ports: [{ port: 80 }, { port: 81 }] }, "spec.ports[0].name"],
    [{ type: "ExternalName" }, "spec.externalName"],
    [{ type: "Galaxy", ports: [{ port: 80 }] }, "spec.type"],
    [{ clusterIP: "192.0.2.1", ports: [{ port: 80 }] }, "spec.clusterIPs"],
  ])("refuses %j", async (spec, field) => {
    const answer = await api.ask("POST", services, { metadata: { name: `s${freshName()}` }, spec });
    expect(answer.status).toBe(422);
    const fields = itemsOf(answer.body["details"]?.["causes"]).map((cause) => textOf(cause["field"]));
    expect(fields.some((found) => found.startsWith(field))).toBeTrue();
  });
});

describe("secrets", () => {
  const secrets = `/api/v1/namespaces/${namespace}/secrets`;

  test("take plain text as data", async () => {
    const { body } = await api.ask("POST", secrets, {
      metadata: { name: freshName() },
      stringData: { a: "hello" },
    });
    expect(body["data"] as unknown).toEqual({ a: "aGVsbG8=" });
    expect([body["type"] as unknown, body["stringData"] as unknown]).toEqual(["Opaque", undefined]);
  });

  test("can be made immutable", async () => {
    const name = freshName();
    await api.ask("POST", secrets, { metadata: { name }, immutable: true, stringData: { a: "1" } });
    expect((await api.ask("PATCH", `${secrets}/${name}`, { stringData: { a: "2" } }, merge)).status).toBe(
      422,
    );
    expect(
      (await api.ask("PATCH", `${secrets}/${name}`, { metadata: { labels: { a: "b" } } }, merge)).status,
    ).toBe(200);
  });
});

describe("discovery", () => {
  test("lists groups and resources", async () => {
    expect((await api.ask("GET", "/api")).body["versions"] as unknown).toEqual(["v1"]);
    const { body } = await api.ask("GET", "/api/v1");
    const names = itemsOf(body["resources"]).map((resource) => textOf(resource["name"]));
    expect(names).toContain("services");
    expect(names).toContain("namespaces/status");
    const groups = itemsOf((await api.ask("GET", "/apis")).body["groups"]).map((group) =>
      textOf(group["name"]),
    );
    expect(groups).toContain("apiextensions.k8s.io");
    expect((await api.ask("GET", "/version")).body).toMatchObject({ major: "1" });
  });

  test.each(["/healthz", "/livez", "/readyz"])("%s says ok", async (path) => {
    expect(await api.ask("GET", path)).toMatchObject({ status: 200, body: "ok" });
  });
});

/** Deleting and evicting Pods, asked over HTTPS: runs against ours and a real API server alike. No node takes part. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type Answer, itemsOf, type Json, textOf } from "./api-under-test.ts";
import { openScene, patchTypes, refusal, type Scene, until } from "./scene.ts";

let scene: Scene;
let pods = "";

beforeAll(async () => {
  scene = await openScene("pods");
  pods = scene.path("pods");
  await until(async () => {
    const account = await scene.api.ask("GET", `${scene.path("serviceaccounts")}/default`);
    return account.status === 200 ? true : undefined;
  });
});

afterAll(async () => {
  await scene.api.ask("DELETE", pods, { gracePeriodSeconds: 0 });
  await scene[Symbol.asyncDispose]();
});

/** Makes a Pod that runs on a node, as far as anybody knows. */
async function pod(spec: object = { nodeName: "nowhere" }, meta: object = {}): Promise<string> {
  const name = scene.fresh();
  const made = await scene.api.ask("POST", pods, {
    metadata: { name, ...meta },
    spec: { containers: [{ name: "a", image: "i" }], ...spec },
  });
  expect(made.status).toBe(201);
  return `${pods}/${name}`;
}

function end(body: Json): readonly [seconds: unknown, delayMs: number, generation: unknown] {
  const meta = body["metadata"];
  const delayMs = Date.parse(textOf(meta?.["deletionTimestamp"])) - Date.now();
  return [meta?.["deletionGracePeriodSeconds"], delayMs, meta?.["generation"]];
}

/** Asks for the deletion and says how long the Pod has. */
async function remove(path: string, options?: object): Promise<readonly [unknown, number]> {
  const { status, body } = await scene.api.ask("DELETE", path, options);
  const [seconds, delayMs] = end(body);
  expect([status, body["kind"] as unknown]).toEqual([200, "Pod"]);
  return [seconds, Math.round(delayMs / 1000)];
}

async function isGone(path: string): Promise<boolean> {
  return (await scene.api.ask("GET", path)).status === 404;
}

describe("a Pod that runs", () => {
  test("has its time to end, which later deletions only shorten", async () => {
    const path = await pod();
    const [seconds, delay] = await remove(path);
    expect(seconds).toBe(30);
    expect(delay).toBeWithin(25, 35);
    expect((await remove(path))[0]).toBe(30);
    expect((await remove(path, { gracePeriodSeconds: 60 }))[0]).toBe(30);
    const [shorter, left] = await remove(path, { gracePeriodSeconds: 5 });
    expect(shorter).toBe(5);
    expect(left).toBeWithin(0, 10);
    expect((await remove(`${path}?gracePeriodSeconds=3`))[0]).toBe(3);
    expect(await isGone(path)).toBeFalse();
    const { body } = await scene.api.ask("GET", path);
    expect(end(body)[2]).toBe(2);
    expect((await remove(path, { gracePeriodSeconds: 0 }))[0]).toBe(0);
    expect(await isGone(path)).toBeTrue();
  });

  test("is held by finalizers beyond its time", async () => {
    const path = await pod(undefined, { finalizers: ["example.com/hold"] });
    expect((await remove(path))[0]).toBe(30);
    const late = { metadata: { finalizers: ["example.com/hold", "example.com/late"] } };
    expect((await scene.api.ask("PATCH", path, late, patchTypes.merge)).status).toBe(422);
    expect((await remove(path, { gracePeriodSeconds: 0 }))[0]).toBe(0);
    expect(await isGone(path)).toBeFalse();
    await scene.api.ask("PATCH", path, { metadata: { finalizers: null } }, patchTypes.merge);
    expect(await isGone(path)).toBeTrue();
  });

  test("is not let go by the last finalizer while it has time", async () => {
    const path = await pod(undefined, { finalizers: ["example.com/hold"] });
    await remove(path);
    await scene.api.ask("PATCH", path, { metadata: { finalizers: null } }, patchTypes.merge);
    expect(await isGone(path)).toBeFalse();
  });

  test("keeps its time in a dry run", async () => {
    const path = await pod();
    await remove(`${path}?dryRun=All`, { gracePeriodSeconds: 0 });
    const { body } = await scene.api.ask("GET", path);
    expect(body["metadata"]?.["deletionTimestamp"] as unknown).toBeUndefined();
  });

  test("cannot be given another end by an update", async () => {
    const path = await pod();
    const patch = { metadata: { deletionTimestamp: "2001-01-01T00:00:00Z" } };
    const [status, reason, message] = refusal(await scene.api.ask("PATCH", path, patch, patchTypes.merge));
    expect([status, reason]).toEqual([422, "Invalid"]);
    expect(message).toContain("metadata.deletionTimestamp: Invalid value");
    await remove(path);
    const { body } = await scene.api.ask("PATCH", path, patch, patchTypes.merge);
    expect(textOf(body["metadata"]?.["deletionTimestamp"])).not.toStartWith("2001");
  });
});

describe("a Pod with nothing to end goes at once", () => {
  test.each<[string, () => Promise<string>]>([
    ["without a node", () => pod({})],
    ["without time", () => pod({ nodeName: "nowhere", terminationGracePeriodSeconds: 0 })],
    [
      "that has ended",
      async () => {
        const path = await pod();
        await scene.api.ask("PATCH", `${path}/status`, { status: { phase: "Succeeded" } }, patchTypes.merge);
        return path;
      },
    ],
  ])("%s", async (_, make) => {
    const path = await make();
    expect((await remove(path))[0]).toBe(0);
    expect(await isGone(path)).toBeTrue();
  });
});

function evict(path: string, more: object = {}): Promise<Answer> {
  const name = path.slice(path.lastIndexOf("/") + 1);
  const eviction = { apiVersion: "policy/v1", kind: "Eviction", metadata: { name }, ...more };
  return scene.api.ask("POST", `${path}/eviction`, eviction);
}

describe("eviction", () => {
  test("deletes with the Pod's own time", async () => {
    const path = await pod();
    const { status, body } = await evict(path);
    expect([status, body as unknown]).toEqual([
      201,
      { kind: "Status", apiVersion: "v1", metadata: {}, status: "Success", code: 201 },
    ]);
    expect(end((await scene.api.ask("GET", path)).body)[0]).toBe(30);
    await evict(path, { deleteOptions: { gracePeriodSeconds: 0 } });
    expect(await isGone(path)).toBeTrue();
  });

  test("is refused for other names, uids and Pods", async () => {
    const path = await pod();
    expect(refusal(await evict(path, { metadata: { name: "other" } }))).toEqual([
      400,
      "BadRequest",
      "name in URL does not match name in Eviction object",
    ]);
    const uid = { deleteOptions: { preconditions: { uid: "other" } } };
    expect((await evict(path, uid)).status).toBe(409);
    expect((await evict(`${pods}/none`)).status).toBe(404);
    expect((await evict(path, { deleteOptions: { dryRun: ["All"] } })).status).toBe(201);
    expect(await isGone(path)).toBeFalse();
    expect((await scene.api.ask("GET", `${path}/eviction`)).status).toBe(405);
    // A real server tries a conflicting eviction again for some seconds.
  }, 30_000);
});

test("a collection is deleted by its labels, each Pod in its own time", async () => {
  const labels = { metadata: { labels: { many: "1" } } };
  const paths = [await pod(), await pod({}), await pod()];
  for (const path of paths.slice(0, 2)) await scene.api.ask("PATCH", path, labels, patchTypes.merge);
  const [running = "", waiting = "", other = ""] = paths;
  const { status, body } = await scene.api.ask("DELETE", `${pods}?labelSelector=many%3D1`);
  const seconds = itemsOf(body["items"]).map((item) => end(item)[0]);
  expect([status, body["kind"] as unknown, seconds.length]).toEqual([200, "PodList", 2]);
  expect([await isGone(running), await isGone(waiting), await isGone(other)]).toEqual([false, true, false]);
  expect(end((await scene.api.ask("GET", other)).body)[0]).toBeUndefined();
});

describe("deletions answer", () => {
  test.each<[string, object, string]>([
    ["configmaps", {}, "Status"],
    ["secrets", {}, "Status"],
    ["services", { spec: { ports: [{ port: 80 }] } }, "Service"],
    ["serviceaccounts", {}, "ServiceAccount"],
  ])("of %s", async (resource, more, want) => {
    const name = `d${scene.fresh()}`;
    await scene.api.ask("POST", scene.path(resource), { metadata: { name }, ...more });
    const { body } = await scene.api.ask("DELETE", `${scene.path(resource)}/${name}`);
    expect(body["kind"] as unknown).toBe(want);
  });

  test.each([
    [
      { propagationPolicy: "Nope" },
      'propagationPolicy: Unsupported value: "Nope": supported values: "Foreground", "Background", "Orphan", "nil"',
    ],
    [
      { propagationPolicy: "Foreground", orphanDependents: true },
      'propagationPolicy: Invalid value: "Foreground": orphanDependents and deletionPropagation cannot be both set',
    ],
  ])("to options like %j with a refusal", async (options, why) => {
    expect(refusal(await scene.api.ask("DELETE", `${scene.path("configmaps")}/x`, options))).toEqual([
      422,
      "Invalid",
      `DeleteOptions.meta.k8s.io "" is invalid: ${why}`,
    ]);
  });
});

test("a watch by a field sees Pods come to match it, and cease to", async () => {
  const fields = `fieldSelector=${encodeURIComponent("status.phase=Running,spec.nodeName=watched")}`;
  const listed = await scene.api.ask("GET", `${pods}?${fields}`);
  const version = textOf(listed.body["metadata"]?.["resourceVersion"]);
  const path = await pod({ nodeName: "watched" });
  const watch = await scene.api.watch(`${pods}?watch=1&resourceVersion=${version}&${fields}`);
  for (const phase of ["Running", "Succeeded"]) {
    await scene.api.ask("PATCH", `${path}/status`, { status: { phase } }, patchTypes.merge);
  }
  expect([(await watch.next())?.["type"], (await watch.next())?.["type"]] as unknown).toEqual([
    "ADDED",
    "DELETED",
  ]);
  watch.close();
});

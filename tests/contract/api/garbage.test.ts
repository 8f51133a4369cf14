/** Owners and what they own, asked over HTTPS: runs against ours and a real API server with its collector alike. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { Json } from "./api-under-test.ts";
import { openScene, patchTypes, type Scene, until } from "./scene.ts";

let scene: Scene;
let maps = "";

beforeAll(async () => {
  scene = await openScene("garbage");
  maps = scene.path("configmaps");
});

afterAll(() => scene[Symbol.asyncDispose]());

interface Made {
  readonly path: string;
  /** As an owner. */
  readonly reference: object;
}

async function make(owners: readonly object[] = [], more: object = {}): Promise<Made> {
  const name = scene.fresh();
  const { status, body } = await scene.api.ask("POST", maps, {
    metadata: { name, ownerReferences: owners, ...more },
  });
  expect(status).toBe(201);
  const uid = body["metadata"]?.["uid"];
  return { path: `${maps}/${name}`, reference: { apiVersion: "v1", kind: "ConfigMap", name, uid } };
}

function blocking(made: Made): object {
  return { ...made.reference, blockOwnerDeletion: true };
}

function remove(made: Made, propagationPolicy?: string): Promise<unknown> {
  return scene.api.ask("DELETE", made.path, propagationPolicy === undefined ? {} : { propagationPolicy });
}

async function look(made: Made): Promise<Json | undefined> {
  const { status, body } = await scene.api.ask("GET", made.path);
  return status === 404 ? undefined : body;
}

async function gone(made: Made): Promise<void> {
  await until(async () => ((await look(made)) === undefined ? true : undefined));
}

async function deleting(made: Made): Promise<void> {
  await until(async () => (await look(made))?.["metadata"]?.["deletionTimestamp"]);
}

function ownersOf(body: Json | undefined): unknown {
  return body?.["metadata"]?.["ownerReferences"] ?? [];
}

async function letGo(made: Made): Promise<void> {
  await scene.api.ask("PATCH", made.path, { metadata: { finalizers: null } }, patchTypes.merge);
}

const held = { finalizers: ["example.com/hold"] };

describe("what is owned", () => {
  test.each([undefined, "Background", "Foreground"])(
    "goes through all generations, by %p",
    async (policy) => {
      const owner = await make();
      const child = await make([blocking(owner)]);
      const grandchild = await make([blocking(child)]);
      await remove(owner, policy);
      for (const one of [grandchild, child, owner]) await gone(one);
    },
  );

  test.each(["Background", "Foreground"])("stays by its other owner, by %s", async (policy) => {
    const [one, two] = [await make(), await make()];
    const child = await make([blocking(one), blocking(two)]);
    await remove(one, policy);
    await gone(one);
    await until(async () => {
      const owners = ownersOf(await look(child));
      return Bun.deepEquals(owners, [blocking(two)]) ? true : undefined;
    });
    await remove(two, policy);
    await gone(child);
  });

  test("goes when its owners never were", async () => {
    const child = await make([
      { apiVersion: "v1", kind: "ConfigMap", name: "never", uid: crypto.randomUUID() },
    ]);
    await gone(child);
  });

  test("stays as an orphan, for all of its owner's deletion", async () => {
    const owner = await make();
    const child = await make([blocking(owner)]);
    await remove(owner, "Orphan");
    await gone(owner);
    expect(ownersOf(await look(child))).toEqual([]);
  });
});

describe("in the foreground", () => {
  test("an owner waits for those that block it, however long they take", async () => {
    const owner = await make();
    const child = await make([blocking(owner)], held);
    await remove(owner, "Foreground");
    await deleting(child);
    expect((await look(owner))?.["metadata"]?.["finalizers"] as unknown).toEqual(["foregroundDeletion"]);
    await letGo(child);
    await gone(owner);
  });

  test("an owner does not wait for those that do not block it", async () => {
    const owner = await make();
    const child = await make([owner.reference], held);
    await remove(owner, "Foreground");
    await gone(owner);
    await deleting(child);
    await letGo(child);
    await gone(child);
  });

  test("a policy may be changed while an owner waits", async () => {
    const owner = await make([], held);
    const child = await make([blocking(owner)]);
    await remove(owner, "Background");
    await remove(owner, "Orphan");
    await until(async () => (Bun.deepEquals(ownersOf(await look(child)), []) ? true : undefined));
    await letGo(owner);
    await gone(owner);
    expect(await look(child)).toBeDefined();
  });
});

test("a namespace goes once its own finalizers are let go of", async () => {
  const name = `held-${crypto.randomUUID().slice(0, 8)}`;
  const path = `/api/v1/namespaces/${name}`;
  const finalize = (finalizers: readonly string[]) =>
    scene.api.ask("PUT", `${path}/finalize`, { metadata: { name }, spec: { finalizers } });
  await scene.api.ask("POST", "/api/v1/namespaces", { metadata: { name } });
  const both = await finalize(["kubernetes", "example.com/hold"]);
  expect([both.status, both.body["spec"] as unknown]).toEqual([
    200,
    { finalizers: ["kubernetes", "example.com/hold"] },
  ]);
  await scene.api.ask("DELETE", path);
  await until(async () => {
    const { body } = await scene.api.ask("GET", path);
    return Bun.deepEquals(body["spec"], { finalizers: ["example.com/hold"] }) ? true : undefined;
  });
  await finalize([]);
  await until(async () => ((await scene.api.ask("GET", path)).status === 404 ? true : undefined));
});

/** The life of a definition: versions in which objects were stored, names that change, deletion with its objects. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { itemsOf, type Json, textOf } from "./api-under-test.ts";
import { openScene, patchTypes, refusal, type Scene, until } from "./scene.ts";

const definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
const group = `l${crypto.randomUUID().slice(0, 8)}.life.test`;
const name = `lives.${group}`;
const path = `${definitions}/${name}`;
const schema = {
  openAPIV3Schema: {
    type: "object",
    properties: { spec: { type: "object", properties: { a: { type: "integer" } } } },
  },
};

let scene: Scene;
beforeAll(async () => {
  scene = await openScene("life");
});
afterAll(async () => {
  await scene.api.ask("DELETE", path);
  await scene[Symbol.asyncDispose]();
});

function version(named: string, storage: boolean): object {
  return { name: named, served: true, storage, schema };
}

async function change(spec: object): Promise<readonly unknown[]> {
  const answer = await scene.api.ask("PATCH", path, { spec }, patchTypes.merge);
  return answer.status === 200 ? [200] : refusal(answer);
}

function conditionOf(definition: Json, type: string): Json | undefined {
  return itemsOf(definition["status"]?.["conditions"]).find((one) => textOf(one["type"]) === type);
}

test("a definition remembers its versions and names, and goes once its objects are gone", async () => {
  const names = { plural: "lives", singular: "life", kind: "Life", shortNames: ["lf"] };
  const made = await scene.api.ask("POST", definitions, {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name },
    spec: { group, scope: "Namespaced", names, versions: [version("v1", true), version("v2", false)] },
  });
  expect(made.status).toBe(201);
  const objects = scene.path("lives", `${group}/v1`);
  const body = {
    apiVersion: `${group}/v1`,
    kind: "Life",
    metadata: { name: "o", finalizers: ["life.test/held"] },
  };
  await until(async () => ((await scene.api.ask("POST", objects, body)).status === 201 ? true : undefined));

  expect(await change({ versions: [version("v1", false), version("v2", true)] })).toEqual([200]);
  const stored = await scene.api.ask("GET", path);
  expect(stored.body["status"]?.["storedVersions"] as unknown).toEqual(["v1", "v2"]);
  expect(await change({ versions: [version("v2", true)] })).toEqual([
    422,
    "Invalid",
    `CustomResourceDefinition.apiextensions.k8s.io "${name}" is invalid: status.storedVersions[0]: Invalid value: "v1": missing from spec.versions; v1 was previously a storage version, and must remain in spec.versions until a storage migration ensures no data remains persisted in v1 and removes v1 from status.storedVersions`,
  ]);
  const again = await scene.api.ask("GET", `${objects}/o`);
  expect([again.status, textOf(again.body["apiVersion"])]).toEqual([200, `${group}/v1`]);

  expect(await change({ names: { ...names, shortNames: ["lv"] } })).toEqual([200]);
  await until(async () => {
    const { body: now } = await scene.api.ask("GET", path);
    return JSON.stringify(now["status"]?.["acceptedNames"]?.["shortNames"]) === '["lv"]' ? true : undefined;
  });

  const deleted = await scene.api.ask("DELETE", path);
  expect(deleted.status).toBe(200);
  const going = await until(async () => {
    const { body: now } = await scene.api.ask("GET", path);
    return textOf(conditionOf(now, "Terminating")?.["reason"]) === "InstanceDeletionInProgress"
      ? now
      : undefined;
  });
  expect(conditionOf(going, "Terminating")).toMatchObject({
    status: "True",
    message: "CustomResource deletion is in progress",
  });
  const late = await scene.api.ask("POST", objects, { ...body, metadata: { name: "late" } });
  expect(late.status).toBe(403);
  expect(textOf(late.body["message"])).toEndWith(
    "is forbidden: create not allowed while custom resource definition is terminating",
  );
  await scene.api.ask("PATCH", `${objects}/o`, { metadata: { finalizers: null } }, patchTypes.merge);
  await until(async () => ((await scene.api.ask("GET", path)).status === 404 ? true : undefined));
}, 60_000);

test("of two definitions that want one kind the second waits until the first is gone", async () => {
  const define = async (plural: string): Promise<string> => {
    const body = {
      apiVersion: "apiextensions.k8s.io/v1",
      kind: "CustomResourceDefinition",
      metadata: { name: `${plural}.${group}` },
      spec: {
        group,
        scope: "Namespaced",
        names: { plural, singular: plural.slice(0, -1), kind: "Same" },
        versions: [version("v1", true)],
      },
    };
    expect((await scene.api.ask("POST", definitions, body)).status).toBe(201);
    return `${definitions}/${plural}.${group}`;
  };
  const established = (at: string, status: string): Promise<Json> =>
    until(async () => {
      const { body } = await scene.api.ask("GET", at);
      return textOf(conditionOf(body, "Established")?.["status"]) === status ? body : undefined;
    });
  const first = await define("firsts");
  await established(first, "True");
  const second = await define("seconds");
  const waiting = await established(second, "False");
  expect(conditionOf(waiting, "Established")).toMatchObject({
    reason: "NotAccepted",
    message: "not all names are accepted",
  });
  expect(conditionOf(waiting, "NamesAccepted")).toMatchObject({
    status: "False",
    reason: "ListKindConflict",
    message: '"SameList" is already in use',
  });
  expect(waiting["status"]?.["acceptedNames"] as unknown).toEqual({
    plural: "seconds",
    singular: "second",
    kind: "",
  });
  expect((await scene.api.ask("GET", scene.path("seconds", `${group}/v1`))).status).toBe(404);
  await scene.api.ask("DELETE", first);
  await established(second, "True");
  await until(async () =>
    (await scene.api.ask("GET", scene.path("seconds", `${group}/v1`))).status === 200 ? true : undefined,
  );
  await scene.api.ask("DELETE", second);
}, 60_000);

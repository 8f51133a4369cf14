/** Watching, asked over HTTPS: runs against ours and a real API server alike. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import {
  type ApiUnderTest,
  type Json,
  openApiUnderTest,
  textOf,
  type WatchUnderTest,
} from "./api-under-test.ts";

let api: ApiUnderTest;
const namespace = `watch-${crypto.randomUUID().slice(0, 8)}`;
const maps = `/api/v1/namespaces/${namespace}/configmaps`;
const merge = { "content-type": "application/merge-patch+json" };

beforeAll(async () => {
  api = openApiUnderTest();
  await api.ask("POST", "/api/v1/namespaces", { metadata: { name: namespace } });
});

afterAll(async () => {
  await api.ask("DELETE", `/api/v1/namespaces/${namespace}`);
  await api[Symbol.asyncDispose]();
});

/** What was seen, without the certificates that a real cluster puts into each namespace. */
async function next(watch: WatchUnderTest): Promise<[type: string, name: string]> {
  for (;;) {
    const event = await watch.next();
    if (event === undefined) return ["ENDED", ""];
    const name = textOf(event["object"]?.["metadata"]?.["name"]);
    if (name !== "kube-root-ca.crt") return [textOf(event["type"]), name];
  }
}

async function make(name: string, labels: object = {}): Promise<Json> {
  return (await api.ask("POST", maps, { metadata: { name, labels } })).body;
}

async function versionNow(): Promise<string> {
  return textOf((await api.ask("GET", maps)).body["metadata"]?.["resourceVersion"]);
}

test("without a version a watch tells what exists, then what changes", async () => {
  await make("w1", { w: "1" });
  const watch = await api.watch(`${maps}?watch=true&labelSelector=w%3D1`);
  expect(watch.status).toBe(200);
  expect(await next(watch)).toEqual(["ADDED", "w1"]);
  await api.ask("PATCH", `${maps}/w1`, { data: { a: "1" } }, merge);
  expect(await next(watch)).toEqual(["MODIFIED", "w1"]);
  await api.ask("DELETE", `${maps}/w1`);
  expect(await next(watch)).toEqual(["DELETED", "w1"]);
  watch.close();
});

test("from a version a watch tells only what came after it", async () => {
  await make("v1");
  const version = await versionNow();
  await make("v2");
  await api.ask("DELETE", `${maps}/v1`);
  const watch = await api.watch(`${maps}?watch=true&resourceVersion=${version}`);
  expect(await next(watch)).toEqual(["ADDED", "v2"]);
  expect(await next(watch)).toEqual(["DELETED", "v1"]);
  watch.close();
});

function versionOf(event: Json | undefined): number {
  return Number(event?.["object"]?.["metadata"]?.["resourceVersion"]);
}

test("versions of events grow, and the deletion's is its own", async () => {
  const version = await versionNow();
  const made = await make("grow");
  await api.ask("DELETE", `${maps}/grow`);
  const watch = await api.watch(`${maps}?watch=true&resourceVersion=${version}`);
  const added = await watch.next();
  const deleted = await watch.next();
  expect(versionOf(added)).toBe(Number(made["metadata"]?.["resourceVersion"]));
  expect(versionOf(deleted)).toBeGreaterThan(versionOf(added));
  watch.close();
});

test("by a selector, coming to match is an arrival and ceasing to is a departure", async () => {
  const version = await versionNow();
  await make("sel");
  const watch = await api.watch(`${maps}?watch=true&labelSelector=s%3D1&resourceVersion=${version}`);
  await api.ask("PATCH", `${maps}/sel`, { metadata: { labels: { s: "1" } } }, merge);
  expect(await next(watch)).toEqual(["ADDED", "sel"]);
  await api.ask("PATCH", `${maps}/sel`, { metadata: { labels: { s: "2" } } }, merge);
  expect(await next(watch)).toEqual(["DELETED", "sel"]);
  watch.close();
});

test("one object can be watched by its name", async () => {
  await make("n1");
  await make("n2");
  const watch = await api.watch(`${maps}?watch=true&fieldSelector=metadata.name%3Dn2`);
  expect(await next(watch)).toEqual(["ADDED", "n2"]);
  watch.close();
});

test("the start's end is marked when that is asked for", async () => {
  await make("b1", { b: "1" });
  const query =
    "watch=true&labelSelector=b%3D1&sendInitialEvents=true&allowWatchBookmarks=true&resourceVersionMatch=NotOlderThan";
  const watch = await api.watch(`${maps}?${query}`);
  expect(await next(watch)).toEqual(["ADDED", "b1"]);
  const mark = await watch.next();
  expect(mark?.["type"] as unknown).toBe("BOOKMARK");
  expect(mark?.["object"]?.["metadata"]?.["annotations"] as unknown).toEqual({
    "k8s.io/initial-events-end": "true",
  });
  watch.close();
});

test("a watch ends after its time", async () => {
  const watch = await api.watch(`${maps}?watch=true&timeoutSeconds=1&resourceVersion=${await versionNow()}`);
  expect(await next(watch)).toEqual(["ENDED", ""]);
});

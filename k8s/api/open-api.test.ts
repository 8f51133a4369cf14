/** The embedded API as a whole: what it keeps over restarts, what it does by itself, and where its bounds are. */
import { afterEach, describe, expect, test } from "bun:test";
import { Database } from "bun:sqlite";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "#host/clock.ts";
import { findObject, type KubeClient } from "#host/kube/kube-client.ts";
import { functionResource } from "#host/kube/known-resources.ts";
import { FakeClock } from "#host/fake/fake-clock.ts";
import { silentLog } from "#host/log.ts";
import {
  configMapResource,
  namespaceResource,
  serviceAccountResource,
  serviceResource,
} from "../model/core-objects.ts";
import { definitionResource } from "../model/definition.ts";
import { lambientDefinitions } from "../model/definitions.ts";
import type { Api, ApiOptions } from "./api.ts";
import { openApi } from "./open-api.ts";
import { defaultWatchLimits } from "./watch-hub.ts";

const opened: Api[] = [];
const folders: string[] = [];
afterEach(() => {
  for (const api of opened.splice(0)) api.close();
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

function open(options: Partial<ApiOptions> = {}): Api {
  const api = openApi({
    dataFile: ":memory:",
    clock: systemClock,
    random: Math.random,
    log: silentLog,
    ...options,
  });
  opened.push(api);
  return api;
}

function freshFile(): string {
  const folder = mkdtempSync(join(tmpdir(), "lambient-store-"));
  folders.push(folder);
  return join(folder, "store.db");
}

function closeAll(): void {
  for (const api of opened.splice(0)) api.close();
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition())) await Bun.sleep(1);
}

function configMap(client: KubeClient, name: string, more: object = {}) {
  return client.create(configMapResource, { metadata: { name, namespace: "default", ...more } });
}

function ownedBy(...parents: readonly { metadata: { name: string; uid: string } }[]): object {
  const ownerReferences = parents.map(({ metadata: { name, uid } }) => ({
    apiVersion: "v1",
    kind: "ConfigMap",
    name,
    uid,
  }));
  return { ownerReferences };
}

const admin = { name: "admin", groups: ["system:masters"] };
const key = (name: string): { namespace: string; name: string } => ({ namespace: "default", name });

describe("a restart", () => {
  test("keeps objects, versions and addresses", async () => {
    const dataFile = freshFile();
    const first = open({ dataFile, definitions: lambientDefinitions }).client;
    const ports = [{ port: 80 }];
    const web = await first.create(serviceResource, { metadata: key("web"), spec: { ports } });
    closeAll();
    const second = open({ dataFile, definitions: lambientDefinitions }).client;
    expect(await second.get(serviceResource, key("web"))).toEqual(web);
    const list = await second.list(serviceResource);
    expect(Number(list.metadata.resourceVersion)).toBe(Number(web.metadata.resourceVersion));
    const clusterIP = web.spec.clusterIP ?? "";
    const taken = second.create(serviceResource, { metadata: key("other"), spec: { ports, clusterIP } });
    expect(await taken.catch(String)).toContain("provided IP is already allocated");
    expect((await second.list(functionResource)).items).toEqual([]);
  });

  test("finishes what was begun", async () => {
    const dataFile = freshFile();
    // Timers that never fire: nothing is followed up before the file is closed.
    const stopped = { ...systemClock, after: () => ({ cancel: () => undefined }) };
    const first = open({ dataFile, clock: stopped }).client;
    const owner = await configMap(first, "owner");
    const { uid } = owner.metadata;
    const ownerReferences = [{ apiVersion: "v1", kind: "ConfigMap", name: "owner", uid }];
    await configMap(first, "child", { ownerReferences });
    await first.delete(configMapResource, key("owner"));
    await first.create(namespaceResource, { metadata: { name: "doomed" } });
    await first.create(configMapResource, { metadata: { name: "x", namespace: "doomed" } });
    await first.delete(namespaceResource, { name: "doomed" });
    expect(await findObject(first, configMapResource, key("child"))).toBeDefined();
    closeAll();
    const second = open({ dataFile }).client;
    expect(await findObject(second, configMapResource, key("child"))).toBeUndefined();
    expect(await findObject(second, namespaceResource, { name: "doomed" })).toBeUndefined();
  });

  test("changes nothing that is as it should be", async () => {
    const dataFile = freshFile();
    open({ dataFile, definitions: lambientDefinitions });
    closeAll();
    const first = await open({ dataFile, definitions: lambientDefinitions }).client.list(definitionResource);
    closeAll();
    const second = await open({ dataFile, definitions: lambientDefinitions }).client.list(definitionResource);
    expect(second).toEqual(first);
    expect(second.items).toHaveLength(lambientDefinitions.length);
  });
});

describe("a file that is not ours", () => {
  test.each([
    [
      "another version",
      (file: string) => {
        open({ dataFile: file });
        closeAll();
        using db = new Database(file);
        db.run("PRAGMA user_version = 99");
      },
      "has version 99; use the release that wrote it",
    ],
    [
      "another program's",
      (file: string) => {
        using db = new Database(file);
        db.run("CREATE TABLE a (b)");
      },
      "is another program's SQLite file",
    ],
    ["no SQLite", (file: string) => writeFileSync(file, "x".repeat(5000)), "is something else"],
    ["in use", (file: string) => void open({ dataFile: file }), "is in use by another process"],
    [
      "below nothing",
      (file: string) => rmSync(join(file, ".."), { recursive: true }),
      "Cannot open the store",
    ],
  ])("is refused: %s", (_, prepare, want) => {
    const file = freshFile();
    prepare(file);
    expect(() => open({ dataFile: file })).toThrow(want);
  });
});

describe("what the API does by itself", () => {
  test("every namespace has a default account, also after somebody deleted it", async () => {
    const { client } = open();
    const account = { namespace: "default", name: "default" };
    const first = await client.get(serviceAccountResource, account);
    await client.delete(serviceAccountResource, account);
    await until(async () => {
      const now = await findObject(client, serviceAccountResource, account);
      return now !== undefined && now.metadata.uid !== first.metadata.uid;
    });
  });

  test("a thousand objects go with their namespace", async () => {
    const { client } = open();
    await client.create(namespaceResource, { metadata: { name: "full" } });
    for (let i = 0; i < 1000; i++) {
      await client.create(configMapResource, { metadata: { name: `x${i}`, namespace: "full" } });
    }
    await client.delete(namespaceResource, { name: "full" });
    await until(async () => (await findObject(client, namespaceResource, { name: "full" })) === undefined);
    expect((await client.list(configMapResource)).items).toEqual([]);
  });

  test("a grandchild goes too, a child of two parents stays", async () => {
    const { client } = open();
    const first = await configMap(client, "first");
    const second = await configMap(client, "second");
    const child = await configMap(client, "child", ownedBy(first));
    await configMap(client, "grandchild", ownedBy(child));
    await configMap(client, "shared", ownedBy(first, second));
    await client.delete(configMapResource, key("first"));
    await until(async () => (await findObject(client, configMapResource, key("grandchild"))) === undefined);
    // Each dependant is a job of its own, in no order.
    await until(async () => {
      const shared = await client.get(configMapResource, key("shared"));
      return shared.metadata.ownerReferences?.map((owner) => owner.name).join() === "second";
    });
  });

  test("an object whose owner does not exist goes", async () => {
    const { client } = open();
    const ownerReferences = [{ apiVersion: "v1", kind: "X", name: "x", uid: crypto.randomUUID() }];
    await configMap(client, "lost", { ownerReferences });
    await until(async () => (await findObject(client, configMapResource, key("lost"))) === undefined);
  });
});

describe("over HTTP", () => {
  test.each([
    ["nobody", undefined, 401],
    ["a stranger", { name: "stranger", groups: [] }, 403],
    ["one who only looks like an admin", { name: "system:masters2", groups: ["systemmasters"] }, 403],
    ["an admin", admin, 200],
  ])("%s is answered", async (_, user, want) => {
    const api = open();
    for (const path of ["/api", "/apis", "/version", "/api/v1/secrets", "/api/v1/namespaces/default"]) {
      expect((await api.handle(new Request(`https://x${path}`), user)).status).toBe(want);
    }
    expect((await api.handle(new Request("https://x/healthz"), user)).status).toBe(200);
  });

  test("a watch that nobody reads is cut, and what it held is let go", async () => {
    const api = open();
    const { client } = api;
    const response = await api.handle(new Request("https://x/api/v1/configmaps?watch=true"), admin);
    const reader = response.body?.getReader();
    await reader?.read();
    // Twice what a queue holds.
    for (let i = 0; i < 70; i++) {
      const data = { a: "x".repeat(500_000) };
      await client.create(configMapResource, { metadata: key(`big${i}`), data });
    }
    let bytes = 0;
    for (let next = await reader?.read(); next?.done === false; next = await reader?.read()) {
      bytes += next.value.length;
    }
    expect(bytes).toBeLessThan(18 << 20);
  });

  test("a reader that goes away ends its watch", async () => {
    const api = open();
    const ended = new AbortController();
    const request = new Request("https://x/api/v1/configmaps?watch=true", { signal: ended.signal });
    const reader = (await api.handle(request, admin)).body?.getReader();
    await reader?.read();
    const last = reader?.read();
    ended.abort();
    expect((await last)?.done).toBeTrue();
  });

  test("a deep body is refused, not followed", async () => {
    const api = open();
    const body = `${'{"a":'.repeat(100_000)}1${"}".repeat(100_000)}`;
    const url = "https://x/api/v1/namespaces/default/configmaps";
    const response = await api.handle(new Request(url, { method: "POST", body }), admin);
    expect(response.status).toBe(400);
    const patched = await api.handle(
      new Request(`${url}/x`, {
        method: "PATCH",
        body,
        headers: { "content-type": "application/merge-patch+json" },
      }),
      admin,
    );
    expect(patched.status).toBe(400);
  });

  test("a page of a list whose history is forgotten is refused, as is a version to come", async () => {
    const api = open({ watchLimits: { ...defaultWatchLimits, historyEventsMax: 2 } });
    const ask = async (query: string): Promise<{ status: number; body: Record<string, unknown> }> => {
      const response = await api.handle(new Request(`https://x/api/v1/namespaces?${query}`), admin);
      return { status: response.status, body: (await response.json()) as Record<string, unknown> };
    };
    const first = await ask("limit=1");
    const token = String((first.body["metadata"] as { continue?: string }).continue);
    expect(first.body["metadata"]).toMatchObject({ remainingItemCount: 3 });
    expect((await ask(`limit=1&continue=${token}`)).status).toBe(200);
    for (let i = 0; i < 3; i++) await configMap(api.client, `later${i}`);
    expect(await ask(`limit=1&continue=${token}`)).toMatchObject({
      status: 410,
      body: { reason: "Expired" },
    });
    expect(await ask("resourceVersion=99999")).toMatchObject({ status: 504, body: { reason: "Timeout" } });
  });

  test("only so many watch at once", async () => {
    const api = open({ watchLimits: { ...defaultWatchLimits, watchersMax: 1 } });
    const watch = (): Promise<Response> =>
      api.handle(new Request("https://x/api/v1/secrets?watch=true"), admin);
    expect((await watch()).status).toBe(200);
    expect((await watch()).status).toBe(403);
  });

  test("bookmarks tell a quiet watch how far it is", async () => {
    const clock = new FakeClock();
    const api = open({ clock });
    clock.advance(1);
    const url = "https://x/api/v1/secrets?watch=true&allowWatchBookmarks=true";
    const reader = (await api.handle(new Request(url), admin)).body?.getReader();
    await reader?.read();
    const next = reader?.read();
    await Bun.sleep(0);
    await configMap(api.client, "meanwhile");
    const { metadata } = await api.client.list(configMapResource);
    clock.advance(60_000);
    const line = new TextDecoder().decode((await next)?.value);
    expect(JSON.parse(line)).toMatchObject({
      type: "BOOKMARK",
      object: { kind: "Secret", metadata: { resourceVersion: metadata.resourceVersion } },
    });
  });

  test("an answer in a form we do not speak is refused", async () => {
    const api = open();
    const headers = { accept: "application/vnd.kubernetes.protobuf" };
    expect((await api.handle(new Request("https://x/api/v1/configmaps", { headers }), admin)).status).toBe(
      406,
    );
  });
});

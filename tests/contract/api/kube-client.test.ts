/** One suite for both clients, over TLS on a unix socket and in the process: what programs see is the same. */
import { afterAll, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { writeFileSync } from "node:fs";
import { isAlreadyExists, isConflict, isNotFound, KubeError } from "#host/kube/kube-error.ts";
import { findObject, type KubeClient } from "#host/kube/kube-client.ts";
import { functionResource, revisionResource, secretResource } from "#host/kube/known-resources.ts";
import { openKubeClient } from "#host/kube/open-kube-client.ts";
import { meshErrorCode } from "#host/mesh-error.ts";
import {
  type ConfigMapObject,
  configMapResource,
  namespaceResource,
  serviceResource,
} from "../../../k8s/model/core-objects.ts";
import { lambientDefinitions } from "../../../k8s/model/definitions.ts";
import { adminUser, nodeUser, startEmbeddedApi, strangerUser } from "./embedded-api.ts";

const embedded = startEmbeddedApi({ definitions: lambientDefinitions });
afterAll(() => embedded.close());

function clientWith(token: string): KubeClient {
  return openKubeClient({ socketPath: embedded.socketPath, caFile: embedded.caFile, token });
}

const clients: readonly [name: string, client: KubeClient][] = [
  ["over TLS", clientWith(adminUser.token)],
  ["in the process", embedded.api.client],
];

/** Collects what a watch tells until a condition holds. */
function collect(
  client: KubeClient,
  options: { readonly namespace: string; readonly labelSelector?: string },
): { readonly told: string[]; until(condition: () => boolean): Promise<void>; end(): void } {
  const told: string[] = [];
  const ended = new AbortController();
  let check: (() => void) | undefined;
  client.watch(configMapResource, {
    ...options,
    onEvent(event) {
      told.push(`${event.type} ${event.object.metadata.name}`);
      check?.();
    },
    onSync() {
      told.push("SYNC");
      check?.();
    },
    onError(error) {
      told.push(String(error));
      check?.();
    },
    signal: ended.signal,
  });
  return {
    told,
    end: () => ended.abort(),
    until: (condition) =>
      new Promise((resolve) => {
        check = () => {
          if (condition()) resolve();
        };
        check?.();
      }),
  };
}

/** What an attempt failed with; empty when it did not. */
function failureOf(attempt: Promise<unknown>): Promise<string> {
  return attempt.then(
    () => "",
    (error: unknown) => String(error),
  );
}

describe.each(clients)("%s", (name, client) => {
  const namespace = name === "over TLS" ? "remote" : "local";
  const key = (of: string): { namespace: string; name: string } => ({ namespace, name: of });
  const create = (of: string, labels: Record<string, string> = {}): Promise<ConfigMapObject> =>
    client.create(configMapResource, { metadata: { name: of, namespace, labels }, data: { a: "1" } });
  const made = client.create(namespaceResource, { metadata: { name: namespace } });

  test("objects are made, read, changed and deleted", async () => {
    await made;
    const first = await create("plain");
    expect(first.metadata).toMatchObject({ name: "plain", namespace });
    expect(await client.get(configMapResource, key("plain"))).toEqual(first);
    const second = await client.update(configMapResource, { ...first, data: { a: "2" } });
    expect(second.data).toEqual({ a: "2" });
    const third = await client.patch(configMapResource, key("plain"), {
      kind: "merge",
      value: { data: { b: "3" } },
    });
    expect(third.data).toEqual({ a: "2", b: "3" });
    const fourth = await client.patch(configMapResource, key("plain"), {
      kind: "json",
      value: [{ op: "remove", path: "/data/b" }],
    });
    expect(fourth.data).toEqual({ a: "2" });
    const fifth = await client.patch(configMapResource, key("plain"), {
      kind: "strategic",
      value: { metadata: { labels: { x: "y" } } },
    });
    expect(fifth.metadata.labels).toEqual({ x: "y" });
    await client.delete(configMapResource, key("plain"), { uid: first.metadata.uid });
    expect(await findObject(client, configMapResource, key("plain"))).toBeUndefined();
  });

  test("refusals are errors that can be told apart", async () => {
    await made;
    const first = await create("refused");
    await client.update(configMapResource, { ...first, data: { a: "2" } });
    const failures = await Promise.all(
      [
        client.get(configMapResource, key("nobody")),
        create("refused"),
        client.update(configMapResource, { ...first, data: { a: "3" } }),
        client.create(serviceResource, { metadata: { name: "bad", namespace }, spec: {} }),
      ].map((attempt) =>
        attempt.then(
          () => undefined,
          (error: unknown) => error,
        ),
      ),
    );
    expect([isNotFound(failures[0]), isAlreadyExists(failures[1]), isConflict(failures[2])]).toEqual([
      true,
      true,
      true,
    ]);
    expect(failures.map(meshErrorCode)).toEqual(["not-found", "already-exists", "conflict", "bad-input"]);
    const [, , , invalid] = failures;
    expect(invalid instanceof KubeError && invalid.status.details?.causes).toEqual([
      { reason: "FieldValueRequired", message: "Required value", field: "spec.ports" },
    ]);
  });

  test("lists select and go by pages", async () => {
    await made;
    await Promise.all(["p1", "p2", "p3"].map((of) => create(of, { page: "yes" })));
    const labelSelector = "page=yes";
    const all = await client.list(configMapResource, { namespace, labelSelector });
    expect(all.items.map((item) => item.metadata.name)).toEqual(["p1", "p2", "p3"]);
    const first = await client.list(configMapResource, { namespace, labelSelector, limit: 2 });
    expect(first.items).toHaveLength(2);
    const token = first.metadata.continue ?? "";
    const rest = await client.list(configMapResource, {
      namespace,
      labelSelector,
      limit: 2,
      continue: token,
    });
    expect(rest.items.map((item) => item.metadata.name)).toEqual(["p3"]);
  });

  test("a watch tells what exists, that it is all, and then what changes", async () => {
    await made;
    await create("w1", { watched: "1" });
    const watch = collect(client, { namespace, labelSelector: "watched" });
    await watch.until(() => watch.told.includes("SYNC"));
    await create("w2", { watched: "1" });
    await client.patch(configMapResource, key("w1"), { kind: "merge", value: { data: { a: "9" } } });
    await client.delete(configMapResource, key("w2"));
    await watch.until(() => watch.told.includes("DELETED w2"));
    watch.end();
    expect(watch.told).toEqual(["ADDED w1", "SYNC", "ADDED w2", "MODIFIED w1", "DELETED w2"]);
  });

  test("status and spec are written apart", async () => {
    await made;
    const bundle = `sha256:${"0".repeat(64)}`;
    // Sound: the API fills in the defaults that the type requires.
    const spec = { template: { bundle } } as never;
    const fn = await client.create(functionResource, { metadata: { name: "web", namespace }, spec });
    expect(fn.spec).toMatchObject({ group: "waypoint", template: { engine: "bun", scale: { max: 10 } } });
    const value = { spec: { group: "no" }, status: { url: "http://web" } };
    const patched = await client.patchStatus(functionResource, key("web"), { kind: "merge", value });
    expect([patched.spec.group, patched.status?.url]).toEqual(["waypoint", "http://web"]);
  });

  test("a revision never changes", async () => {
    await made;
    const spec = {
      bundle: `sha256:${"1".repeat(64)}`,
      function: "web",
      serviceAccountName: "web",
      group: "waypoint",
      signature: "",
    } as never;
    await client.create(revisionResource, { metadata: { name: "web-v1", namespace }, spec });
    const change = client.patch(revisionResource, key("web-v1"), {
      kind: "merge",
      value: { spec: { function: "b" } },
    });
    expect(await failureOf(change)).toContain(
      "spec: Invalid value: a revision never changes; make another one",
    );
    const status = { conditions: [{ type: "Ready", status: "True" }] };
    const patched = await client.patchStatus(revisionResource, key("web-v1"), {
      kind: "merge",
      value: { status },
    });
    expect(patched.status as unknown).toEqual(status);
  });
});

test("a client without a right name, authority or token is refused", async () => {
  const get = (options: object): Promise<unknown> =>
    openKubeClient({
      socketPath: embedded.socketPath,
      caFile: embedded.caFile,
      token: adminUser.token,
      ...options,
    })
      .get(namespaceResource, { name: "default" })
      .then(
        () => "fine",
        (error: unknown) => meshErrorCode(error),
      );
  const otherAuthority = join(embedded.folder, "other.pem");
  const other = startEmbeddedApi();
  writeFileSync(otherAuthority, await Bun.file(other.caFile).text());
  await other.close();
  expect(await get({})).toBe("fine");
  expect(await get({ serverName: "elsewhere.local" })).toBe("unavailable");
  expect(await get({ caFile: otherAuthority })).toBe("unavailable");
  expect(await get({ token: "wrong" })).toBe("not-permitted");
  expect(await get({ socketPath: join(embedded.folder, "nothing.sock") })).toBe("unavailable");
});

test("a token file is read anew when its token is refused", async () => {
  const tokenFile = join(embedded.folder, "token");
  writeFileSync(tokenFile, "old");
  const client = openKubeClient({ socketPath: embedded.socketPath, caFile: embedded.caFile, tokenFile });
  expect(await failureOf(client.get(namespaceResource, { name: "default" }))).toContain("Unauthorized");
  writeFileSync(tokenFile, `${adminUser.token}\n`);
  expect((await client.get(namespaceResource, { name: "default" })).metadata.name).toBe("default");
});

function outcome(attempt: Promise<unknown>): Promise<unknown> {
  return attempt.then(
    () => "fine",
    (error: unknown) => meshErrorCode(error),
  );
}

test("the node runtime reads what it needs and nothing else", async () => {
  const node = clientWith(nodeUser.token);
  const namespace = "guarded";
  const admin = embedded.api.client;
  await admin.create(namespaceResource, { metadata: { name: namespace } });
  for (const name of ["named", "other"]) {
    await admin.create(secretResource, { metadata: { name, namespace }, stringData: { key: "value" } });
  }
  const spec = {
    bundle: `sha256:${"2".repeat(64)}`,
    function: "web",
    serviceAccountName: "web",
    group: "waypoint",
    signature: "",
    secrets: { TOKEN: { secret: "named", key: "key" } },
  } as never;
  await admin.create(revisionResource, { metadata: { name: "web-v1", namespace }, spec });
  const key = { namespace, name: "web-v1" };
  const status = { kind: "merge", value: { status: { observedGeneration: 1 } } } as const;
  expect(await outcome(node.list(revisionResource))).toBe("fine");
  expect(await outcome(node.patchStatus(revisionResource, key, status))).toBe("fine");
  expect(await outcome(node.get(secretResource, { namespace, name: "named" }))).toBe("fine");
  expect(await outcome(node.get(secretResource, { namespace, name: "other" }))).toBe("not-permitted");
  expect(await outcome(node.list(secretResource, { namespace }))).toBe("not-permitted");
  expect(await outcome(node.delete(revisionResource, key))).toBe("not-permitted");
  expect(await outcome(node.get(configMapResource, { namespace, name: "x" }))).toBe("not-permitted");
  expect(await outcome(clientWith(strangerUser.token).list(revisionResource))).toBe("not-permitted");
});

test("a field nobody knows is refused for our own kinds though nobody asked for that", async () => {
  const client = clientWith(adminUser.token);
  const spec = { template: { bundle: `sha256:${"3".repeat(64)}`, scael: {} } } as never;
  const made = client.create(functionResource, { metadata: { name: "typo", namespace: "default" }, spec });
  expect(await failureOf(made)).toContain('unknown field "spec.template.scael"');
});

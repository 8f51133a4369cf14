import { expect, test } from "bun:test";
import type { KubeClient, WatchOptions } from "#host/kube/kube-client.ts";
import type { KubeObject } from "#host/kube/object.ts";
import { silentLog } from "#host/log.ts";
import { type ConfigMapObject, configMapResource } from "../../model/core-objects.ts";
import type { PodObject } from "../../model/pod.ts";
import { ObjectCache } from "./object-cache.ts";
import { fieldReaders, gatherObjects } from "./pod-objects.ts";

const metadata = { namespace: "shop", resourceVersion: "1", creationTimestamp: "" };

function unused(): Promise<never> {
  return Promise.reject(new Error("not asked here"));
}

/** An API of which only watches are asked; what they are told is the test's. */
function open() {
  const watches = new Map<string, WatchOptions<KubeObject>>();
  const changed: string[] = [];
  const api: KubeClient = {
    get: unused,
    list: unused,
    create: unused,
    update: unused,
    patch: unused,
    patchStatus: unused,
    delete: unused,
    watch(type, options) {
      watches.set(`${type.resource}/${options.fieldSelector}`, options);
    },
  };
  const cache = new ObjectCache(api, silentLog, (user) => changed.push(user));
  const tell = (name: string, data: Record<string, string> | undefined): void => {
    const watch = watches.get(`configmaps/metadata.name=${name}`);
    const object = {
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { ...metadata, name, uid: name },
      data: data ?? {},
    };
    if (data !== undefined) watch?.onEvent({ type: "ADDED", object });
    else watch?.onEvent({ type: "DELETED", object });
  };
  const sync = (name: string): void => watches.get(`configmaps/metadata.name=${name}`)?.onSync?.();
  return { cache, watches, changed, tell, sync };
}

const key = { namespace: "shop", name: "a" };

test("an object is watched once, known once the API says so, and its users are told of changes", async () => {
  const { cache, watches, changed, tell, sync } = open();
  const first = cache.need(configMapResource, key, "pod-1");
  const second = cache.need(configMapResource, key, "pod-2");
  expect(watches.size).toBe(1);
  tell("a", { k: "1" });
  sync("a");
  const found: (ConfigMapObject | undefined)[] = await Promise.all([first, second]);
  expect(found.map((object) => object?.data)).toEqual([{ k: "1" }, { k: "1" }]);
  expect(changed).toEqual([]);
  tell("a", { k: "2" });
  expect(changed).toEqual(["pod-1", "pod-2"]);
  cache.release("pod-1");
  tell("a", undefined);
  expect(changed).toEqual(["pod-1", "pod-2", "pod-2"]);
  expect(await cache.need(configMapResource, key, "pod-2")).toBeUndefined();
});

test("a watch ends with its last user", () => {
  const { cache, watches } = open();
  void cache.need(configMapResource, key, "pod-1");
  void cache.need(configMapResource, { ...key, name: "b" }, "pod-1");
  const signals = [...watches.values()].map(({ signal }) => signal);
  cache.release("pod-1");
  cache.release("pod-1");
  expect(signals.map(({ aborted }) => aborted)).toEqual([true, true]);
  void cache.need(configMapResource, key, "pod-2");
  cache.close();
  expect(watches.get("configmaps/metadata.name=a")?.signal.aborted).toBe(true);
});

test("gatherObjects() decodes what a Pod names; missing ones are missing", async () => {
  const { cache, watches, tell, sync } = open();
  const pod: PodObject = {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { ...metadata, name: "web", uid: "pod-1" },
    spec: { containers: [{ name: "c", resources: { limits: { cpu: "2" } } }] },
  };
  const names = { configMaps: new Set(["a", "none"]), secrets: new Set(["s"]) };
  const gathering = gatherObjects(cache, pod, names);
  tell("a", { k: "1" });
  for (const name of ["a", "none"]) sync(name);
  const secret = {
    apiVersion: "v1",
    kind: "Secret",
    metadata: { ...metadata, name: "s", uid: "s" },
    data: { t: "dDA=" },
  };
  const watch = watches.get("secrets/metadata.name=s");
  watch?.onEvent({ type: "ADDED", object: secret });
  watch?.onSync?.();
  const { configMaps, secrets } = await gathering;
  expect([...(configMaps.get("a") ?? [])]).toEqual([["k", Buffer.from("1")]]);
  expect(configMaps.get("none")).toBeUndefined();
  expect([...(secrets.get("s") ?? [])]).toEqual([["t", Buffer.from("t0")]]);
  const place = { address: "10.244.0.130", hostIP: "10.244.0.1", node: "node-0", allocatable: {} };
  const readers = fieldReaders(pod, place, "c");
  expect(readers.field("metadata.name")).toMatchObject({ ok: true, value: "web" });
  expect(readers.resource({ resource: "limits.cpu" })).toMatchObject({ ok: true, value: "2" });
});

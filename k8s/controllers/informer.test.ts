/** The informer on a client that tells what a test has it tell, out of step with what is written. */
import { expect, test } from "bun:test";
import { FakeClock } from "#host/fake/fake-clock.ts";
import type { KubeClient, WatchOptions } from "#host/kube/kube-client.ts";
import { KubeError } from "#host/kube/kube-error.ts";
import type { KubeObject, ObjectKey, ResourceType } from "#host/kube/object.ts";
import { podObject } from "../../tests/support/workload-objects.ts";
import { type PodObject, podResource } from "../model/pod.ts";
import { Informer, parseQueueKey, queueKey } from "./informer.ts";

function pod(name: string, version: number, uid = `uid-${name}`): PodObject {
  const object = podObject(name);
  return { ...object, metadata: { ...object.metadata, uid, resourceVersion: String(version) } };
}

function rig() {
  const stored = new Map<string, PodObject>();
  const clock = new FakeClock();
  const told: string[] = [];
  const errors: unknown[] = [];
  let watch: WatchOptions<PodObject> | undefined;
  const client: Pick<KubeClient, "get" | "watch"> = {
    async get<Kind extends KubeObject>(_type: ResourceType<Kind>, { name }: ObjectKey): Promise<Kind> {
      const found = stored.get(name);
      if (found === undefined) {
        throw new KubeError({ apiVersion: "v1", kind: "Status", metadata: {}, status: "Failure", code: 404 });
      }
      // Sound: this client has Pods only, and is asked for them.
      return found as unknown as Kind;
    },
    watch(_type, options) {
      watch = options as unknown as WatchOptions<PodObject>;
    },
  };
  const informer = new Informer<PodObject>({
    client: client as KubeClient,
    type: podResource,
    clock,
    signal: new AbortController().signal,
    onSync: () => void told.push("SYNC"),
    onError: (error) => void errors.push(error),
  });
  informer.onChange(({ before, after }) => {
    told.push(`${before?.metadata.resourceVersion ?? "-"} ${after?.metadata.resourceVersion ?? "-"}`);
  });
  informer.start();
  const tell = (type: "ADDED" | "MODIFIED" | "DELETED", object: PodObject): void =>
    watch?.onEvent({ type, object });
  return {
    stored,
    clock,
    told,
    errors,
    informer,
    tell,
    sync: () => watch?.onSync?.(),
    fail: (error: unknown) => watch?.onError?.(error),
  };
}

test("what the watch tells is held, by name and by namespace", () => {
  const { informer, tell, sync, told, errors, fail } = rig();
  tell("ADDED", pod("a", 1));
  tell("ADDED", pod("b", 2));
  sync();
  tell("MODIFIED", pod("a", 3));
  tell("DELETED", pod("b", 4));
  fail("lost");
  expect(told).toEqual(["- 1", "- 2", "SYNC", "1 3", "2 -"]);
  expect(informer.all().map(queueKey)).toEqual(["shop/a"]);
  expect([informer.of("shop").length, informer.of("other").length]).toEqual([1, 0]);
  expect(informer.find(parseQueueKey("shop/a"))?.metadata.resourceVersion).toBe("3");
  expect(parseQueueKey("node-0")).toEqual({ name: "node-0" });
  tell("DELETED", pod("a", 5));
  expect([informer.of("shop").length, errors]).toEqual([0, ["lost"]]);
});

test("what was written is held at once; what the watch tells of before changes nothing", () => {
  const { informer, tell, told } = rig();
  informer.note(pod("a", 5));
  tell("ADDED", pod("a", 3));
  tell("MODIFIED", pod("a", 5));
  tell("MODIFIED", pod("a", 6));
  expect(told).toEqual(["- 5", "5 6"]);
});

test("what was deleted is gone at once, and does not come back by what the watch tells late", async () => {
  const { informer, tell, told } = rig();
  tell("ADDED", pod("a", 1));
  await informer.noteDeletion({ namespace: "shop", name: "a" });
  tell("MODIFIED", pod("a", 2));
  tell("DELETED", pod("a", 3));
  // Another of the same name is another.
  tell("ADDED", pod("a", 4, "second"));
  tell("DELETED", pod("a", 3));
  expect(told).toEqual(["- 1", "1 -", "- 4"]);
});

test("what is being deleted but held is as it was read", async () => {
  const { informer, stored, tell, told } = rig();
  tell("ADDED", pod("a", 1));
  stored.set("a", pod("a", 2));
  await informer.noteDeletion({ namespace: "shop", name: "a" });
  expect(told).toEqual(["- 1", "1 2"]);
});

test("what was written and never told of is looked up after a while", async () => {
  const { informer, stored, clock, told } = rig();
  informer.note(pod("gone", 5));
  informer.note(pod("kept", 6));
  stored.set("kept", pod("kept", 6));
  clock.advance(10_000);
  for (let i = 0; i < 10; i++) await Promise.resolve();
  expect(told).toEqual(["- 5", "- 6", "5 -"]);
  expect(informer.all().map(({ metadata }) => metadata.name)).toEqual(["kept"]);
});

/** Keeping up with objects through lost connections, expired history and handlers that throw. */
import { expect, test } from "bun:test";
import { FakeClock } from "#host/fake/fake-clock.ts";
import { KubeError } from "./kube-error.ts";
import { listAllPages, runListWatch, type WatchSource } from "./list-watch.ts";
import type { KubeList, KubeObject, Status, WatchEvent } from "./object.ts";

function object(name: string, version: number, uid = `uid-${name}`): KubeObject {
  return {
    apiVersion: "v1",
    kind: "Thing",
    metadata: { name, uid, resourceVersion: String(version), creationTimestamp: "" },
  };
}

function listOf(version: number, ...items: readonly KubeObject[]): KubeList<KubeObject> {
  return { apiVersion: "v1", kind: "ThingList", metadata: { resourceVersion: String(version) }, items };
}

const expiredStatus: Status = {
  apiVersion: "v1",
  kind: "Status",
  metadata: {},
  status: "Failure",
  reason: "Expired",
  code: 410,
};

/** What an attempt failed with; empty when it did not. */
function failureOf(attempt: Promise<unknown>): Promise<string> {
  return attempt.then(
    () => "",
    (error: unknown) => String(error),
  );
}

type Attempt = readonly WatchEvent[] | Error;

/** Plays lists and watches in order; when they run out the watch stays open. */
function scripted(lists: readonly (KubeList<KubeObject> | Error)[], watches: readonly Attempt[]) {
  const asked: string[] = [];
  const told: string[] = [];
  const clock = new FakeClock();
  const ended = new AbortController();
  const done = Promise.withResolvers<void>();
  let listed = 0;
  let watched = 0;
  const source: WatchSource<KubeObject> = {
    async list() {
      asked.push("list");
      const next = lists[listed++];
      if (next instanceof Error) throw next;
      if (next === undefined) throw new Error("no more lists");
      return next;
    },
    async *watch(version, signal) {
      asked.push(`watch ${version}`);
      const next = watches[watched++];
      if (next instanceof Error) throw next;
      if (next !== undefined) {
        yield* next;
        return;
      }
      done.resolve();
      await new Promise((resolve) => signal.addEventListener("abort", resolve));
    },
  };
  const run = async (onEvent?: () => void): Promise<void> => {
    runListWatch(
      source,
      {
        onEvent(event) {
          told.push(`${event.type} ${event.object.metadata.name}@${event.object.metadata.resourceVersion}`);
          onEvent?.();
        },
        onSync: () => void told.push("SYNC"),
        onError: (error) => void told.push(`error ${String(error)}`),
        signal: ended.signal,
      },
      { clock, random: () => 0.5 },
    );
    // The loop waits by the clock; between its turns there are only microtasks.
    const isOver = done.promise.then(() => true);
    const turn = async (): Promise<boolean> => {
      await Bun.sleep(0);
      clock.advance(10_000);
      return false;
    };
    while (!(await Promise.race([isOver, turn()])));
    ended.abort();
  };
  return { run, asked, told };
}

test("lists, says so, and goes on from the list's version", async () => {
  const script = scripted(
    [listOf(5, object("a", 3), object("b", 4))],
    [
      [
        { type: "MODIFIED", object: object("a", 6) },
        { type: "DELETED", object: object("b", 7) },
        { type: "BOOKMARK", object: object("", 9) },
      ],
    ],
  );
  await script.run();
  expect(script.told).toEqual(["ADDED a@3", "ADDED b@4", "SYNC", "MODIFIED a@6", "DELETED b@7"]);
  expect(script.asked).toEqual(["list", "watch 5", "watch 9"]);
});

test("a lost connection continues where it was, an event told twice is told once", async () => {
  const script = scripted(
    [listOf(5, object("a", 3))],
    [
      [{ type: "MODIFIED", object: object("a", 6) }],
      new Error("connection reset"),
      [{ type: "MODIFIED", object: object("a", 6) }],
    ],
  );
  await script.run();
  expect(script.told).toEqual(["ADDED a@3", "SYNC", "MODIFIED a@6", "error Error: connection reset"]);
  expect(script.asked).toEqual(["list", "watch 5", "watch 6", "watch 6", "watch 6"]);
});

test("expired history is listed anew, and what vanished meanwhile is told as deleted", async () => {
  const script = scripted(
    [
      listOf(5, object("a", 3), object("b", 4), object("c", 4)),
      listOf(20, object("a", 3), object("c", 15, "another uid"), object("d", 16)),
    ],
    [[{ type: "ERROR", object: expiredStatus }]],
  );
  await script.run();
  expect(script.told).toEqual([
    "ADDED a@3",
    "ADDED b@4",
    "ADDED c@4",
    "SYNC",
    "error MeshError: Expired",
    "DELETED c@4",
    "ADDED c@15",
    "ADDED d@16",
    "DELETED b@4",
  ]);
  expect(script.asked).toEqual(["list", "watch 5", "list", "watch 20"]);
});

test("an expired answer to the request itself lists anew too", async () => {
  const script = scripted([listOf(5), listOf(6)], [new KubeError(expiredStatus)]);
  await script.run();
  expect(script.asked).toEqual(["list", "watch 5", "list", "watch 6"]);
});

test("a list that fails is tried again", async () => {
  const script = scripted([new Error("not yet"), new Error("not yet"), listOf(1)], []);
  await script.run();
  expect(script.told).toEqual(["error Error: not yet", "error Error: not yet", "SYNC"]);
});

test("what a handler throws is reported and ends nothing", async () => {
  const script = scripted([listOf(5, object("a", 3))], []);
  await script.run(() => {
    throw new Error("handler");
  });
  expect(script.told).toEqual(["ADDED a@3", "error Error: handler", "SYNC"]);
});

test("listAllPages() joins pages and gives up on a list without end", async () => {
  const pages = [listOf(7, object("a", 1)), listOf(7, object("b", 2))];
  const joined = await listAllPages(async (token) => {
    const page = pages[token === undefined ? 0 : 1];
    if (page === undefined) throw new Error("no such page");
    return token === undefined ? { ...page, metadata: { ...page.metadata, continue: "next" } } : page;
  }, 10);
  expect(joined.items.map((item) => item.metadata.name)).toEqual(["a", "b"]);
  expect(joined.metadata).toEqual({ resourceVersion: "7" });
  const endless = listAllPages(
    async () => ({ ...listOf(1), metadata: { resourceVersion: "1", continue: "more" } }),
    3,
  );
  expect(await failureOf(endless)).toContain("Cannot list objects in at most 3 pages");
});

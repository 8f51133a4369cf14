/** Watching: what is seen, and that neither the history nor a queue grows without bound. */
import { expect, test } from "bun:test";
import { parseLabelSelector } from "./label-selector.ts";
import type { Change } from "./object-store.ts";
import { defaultWatchLimits, sight, WatchHub, type WatchScope } from "./watch-hub.ts";

function change(version: number, more: Partial<Change> = {}): Change {
  return {
    version,
    group: "",
    resource: "services",
    namespace: "shop",
    name: "web",
    uid: "u",
    type: "MODIFIED",
    text: `{"v":${version}}`,
    labels: undefined,
    labelsBefore: undefined,
    owners: [],
    isDeleting: false,
    ...more,
  };
}

function scope(more: Partial<WatchScope> & { selector?: string } = {}): WatchScope {
  const labels = parseLabelSelector(more.selector ?? "");
  const { selector: _, ...rest } = more;
  return { group: "", resource: "services", fields: [], labels: labels.ok ? labels.value : [], ...rest };
}

test.each([
  ["comes to match", { labels: { a: "1" } }, "ADDED"],
  ["goes on matching", { labels: { a: "1" }, labelsBefore: { a: "1" } }, "MODIFIED"],
  ["ceases to match", { labelsBefore: { a: "1" } }, "DELETED"],
  ["never matched", {}, undefined],
  ["is deleted while matching", { type: "DELETED", labels: { a: "1" }, labelsBefore: { a: "1" } }, "DELETED"],
  ["is deleted without matching", { type: "DELETED" }, undefined],
  ["is created matching", { type: "ADDED", labels: { a: "1" } }, "ADDED"],
] as const)("sight() of an object that %s", (_, more, want) => {
  expect(sight(scope({ selector: "a=1" }), change(1, more))?.type as string | undefined).toBe(want);
});

test("sight() is bounded by the namespace", () => {
  expect(sight(scope({ namespace: "shop" }), change(1))?.version).toBe(1);
  expect(sight(scope({ namespace: "other" }), change(1))).toBeUndefined();
});

test("open() replays what came after a version, in order, and then tells what comes", async () => {
  const hub = new WatchHub(10);
  hub.publish([change(11), change(12, { resource: "secrets" }), change(13)]);
  const watcher = hub.open(scope(), 11);
  expect(watcher?.take().map((seen) => seen.version)).toEqual([13]);
  const waited = watcher?.wait();
  hub.publish([change(14)]);
  await waited;
  expect(watcher?.take().map((seen) => seen.version)).toEqual([14]);
});

test("the history forgets the oldest and says from where it can be continued", () => {
  const hub = new WatchHub(0, { ...defaultWatchLimits, historyEventsMax: 3 });
  for (let i = 1; i <= 10; i++) hub.publish([change(i)]);
  expect(hub.floor).toBe(7);
  expect(hub.open(scope(), hub.floor)?.take()).toHaveLength(3);
  const byBytes = new WatchHub(0, { ...defaultWatchLimits, historyBytesMax: 100 });
  for (let i = 1; i <= 10; i++) byBytes.publish([change(i, { text: "x".repeat(40) })]);
  expect(byBytes.floor).toBe(8);
});

test.each([
  ["events", { queueEventsMax: 5 }, "x"],
  ["bytes", { queueBytesMax: 50 }, "x".repeat(10)],
])("a watcher too far behind in %s is cut, the others are not", async (_, limits, text) => {
  const hub = new WatchHub(0, { ...defaultWatchLimits, ...limits });
  const slow = hub.open(scope(), 0);
  const quick = hub.open(scope(), 0);
  for (let i = 1; i <= 6; i++) {
    hub.publish([change(i, { text })]);
    quick?.take();
  }
  expect(slow?.isOpen).toBeFalse();
  expect(slow?.hasQueued).toBeFalse();
  await slow?.wait();
  expect(quick?.isOpen).toBeTrue();
  expect(hub.watchers).toBe(1);
});

test("only so many watch at once, and close() ends them all", () => {
  const hub = new WatchHub(0, { ...defaultWatchLimits, watchersMax: 2 });
  const first = hub.open(scope(), 0);
  hub.open(scope(), 0);
  expect(hub.open(scope(), 0)).toBeUndefined();
  first?.close();
  first?.close();
  expect(hub.watchers).toBe(1);
  hub.close();
  expect(hub.watchers).toBe(0);
});

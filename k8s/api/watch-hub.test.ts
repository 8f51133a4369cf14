/** Watching: what is seen, and that neither the history nor a queue grows without bound. */
import { expect, test } from "bun:test";
import { parseLabelSelector } from "./label-selector.ts";
import type { Change } from "./change.ts";
import { defaultWatchLimits, sight, type Watcher, WatchHub, type WatchScope } from "./watch-hub.ts";

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

test.each([
  ["comes to match", { fields: { a: "1" }, fieldsBefore: { a: "2" } }, "ADDED"],
  ["goes on matching", { fields: { a: "1" }, fieldsBefore: { a: "1" } }, "MODIFIED"],
  ["ceases to match", { fields: { a: "2" }, fieldsBefore: { a: "1" } }, "DELETED"],
  ["never matched", { fields: { a: "2" }, fieldsBefore: { a: "2" } }, undefined],
  ["is created matching", { type: "ADDED", fields: { a: "1" } }, "ADDED"],
] as const)("sight() of an object whose field %s", (_, more, want) => {
  const fields = [{ field: "a", equal: true, value: "1" }];
  expect(sight(scope({ fields }), change(1, more))?.type as string | undefined).toBe(want);
});

test("sight() is bounded by the namespace", () => {
  expect(sight(scope({ namespace: "shop" }), change(1))?.version).toBe(1);
  expect(sight(scope({ namespace: "other" }), change(1))).toBeUndefined();
});

function versions(watcher: Watcher | undefined, max = 100): readonly number[] {
  return watcher?.take(max).map((seen) => seen.version) ?? [];
}

test("open() replays what came after a version, in order, and then tells what comes", async () => {
  const hub = new WatchHub(10);
  hub.publish([change(11), change(12, { resource: "secrets" }), change(13)]);
  const watcher = hub.open(scope(), 11);
  expect(versions(watcher)).toEqual([13]);
  const waited = watcher?.wait();
  hub.publish([change(14), change(15, { resource: "secrets" }), change(16)]);
  await waited;
  expect(versions(watcher, 1)).toEqual([14]);
  expect(watcher?.isBehind).toBeTrue();
  expect(versions(watcher)).toEqual([16]);
  expect(versions(watcher)).toEqual([]);
});

test.each([
  ["events", { historyEventsMax: 3 }, "x", 7],
  ["bytes", { historyBytesMax: 100 }, "x".repeat(40), 8],
])("the history is bounded in %s and says from where it can be continued", (_, limits, text, floor) => {
  const hub = new WatchHub(0, { ...defaultWatchLimits, ...limits });
  for (let i = 1; i <= 10; i++) hub.publish([change(i, { text })]);
  expect(hub.floor).toBe(floor);
  expect(versions(hub.open(scope(), floor))).toHaveLength(10 - floor);
});

test("a watcher whose place is forgotten is cut, the others are not", async () => {
  const hub = new WatchHub(0, { ...defaultWatchLimits, historyEventsMax: 3 });
  const slow = hub.open(scope(), 0);
  const quick = hub.open(scope(), 0);
  const other = hub.open(scope({ resource: "secrets" }), 0);
  expect([versions(quick), versions(other)]).toEqual([[], []]);
  const seen: number[] = [];
  for (let i = 1; i <= 10; i++) {
    hub.publish([change(i)]);
    seen.push(...versions(quick));
  }
  expect(seen).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  expect(versions(slow)).toEqual([]);
  expect([slow?.isOpen, quick?.isOpen, other?.isOpen]).toEqual([false, true, true]);
  await slow?.wait();
  expect(hub.watchers).toBe(2);
  hub.publish([change(11, { resource: "secrets" })]);
  expect(versions(other)).toEqual([11]);
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

import { afterEach, expect, test } from "bun:test";
import { appendFileSync, mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FakeClock } from "#host/fake/fake-clock.ts";
import { silentLog } from "#host/log.ts";
import { meshErrorCode } from "#host/mesh-error.ts";
import { listFolder } from "../list-folder.ts";
import { type LogLine, LogStore, type LogStoreOptions } from "./log-store.ts";

const folders: string[] = [];
afterEach(() => {
  for (const path of folders.splice(0)) rmSync(path, { recursive: true, force: true });
});

const cart = { namespace: "shop", function: "cart" };

function line(text: string, atMs = 0): LogLine {
  return { atMs, instance: "cart-v1-abc", revision: "cart-v1", stream: "stdout", text };
}

function open(
  path = mkdtempSync(join(tmpdir(), "logs-")),
  totalBytesMax = 1 << 20,
  limits: Partial<LogStoreOptions> = {},
) {
  folders.push(path);
  const clock = new FakeClock();
  const folder = { fileBytesMax: 1000, filesMax: 3 };
  const store = new LogStore({
    path,
    clock,
    log: silentLog,
    folder,
    totalBytesMax,
    waitersMax: 2,
    ...limits,
  });
  return { path, clock, store };
}

async function texts(store: LogStore, query: object = {}): Promise<string[]> {
  return (await store.read({ ...cart, ...query })).lines.map((found) => found.text);
}

test("lines come back in order, whoever wrote them and whenever", async () => {
  const { store, path } = open();
  store.append(cart, line("one", 1));
  store.append(cart, { ...line("two", 2), stream: "stderr", instance: "other" });
  store.append({ ...cart, function: "price" }, line("elsewhere", 3));
  expect(await texts(store)).toEqual(["one", "two"]);
  expect(await texts(store, { tailLines: 1 })).toEqual(["two"]);
  expect(await texts(store, { sinceMs: 2 })).toEqual(["two"]);
  store.close();
  expect(await texts(open(path).store)).toEqual(["one", "two"]);
});

test("a function that never wrote has no lines, and can be followed", async () => {
  const { store } = open();
  const { lines, cursor } = await store.read(cart);
  expect(lines).toEqual([]);
  store.append(cart, line("first"));
  expect(await texts(store, { cursor })).toEqual(["first"]);
});

test("following waits for the next line, for so long", async () => {
  const { store, clock } = open();
  store.append(cart, line("old"));
  const { cursor } = await store.read(cart);
  const waiting = texts(store, { cursor, waitMs: 1000 });
  store.append(cart, line("new"));
  clock.advance(20);
  expect(await waiting).toEqual(["new"]);
  const { cursor: end } = await store.read(cart);
  const nothing = texts(store, { cursor: end, waitMs: 1e9 });
  clock.advance(20_000);
  expect(await nothing).toEqual([]);
});

test("too many followers are refused", async () => {
  const { store } = open();
  const { cursor } = await store.read(cart);
  const follow = () => store.read({ ...cart, cursor, waitMs: 1000 }).then(() => "ended", meshErrorCode);
  const [first, second] = [follow(), follow()];
  expect(await follow()).toBe("limit-reached");
  store.close();
  expect(await Promise.all([first, second])).toEqual(["ended", "ended"]);
});

test("files rotate by size, old ones go, and a follower whose place is gone continues at the oldest kept", async () => {
  const { store, path } = open();
  const { cursor } = await store.read(cart);
  for (let i = 0; i < 60; i++) {
    store.append(cart, line(`line ${i}`, i));
    store.flush();
  }
  const folder = join(path, "shop", "cart");
  const sizes = readdirSync(folder).map((name) => statSync(join(folder, name)).size);
  expect(sizes.length).toBe(3);
  expect(Math.max(...sizes)).toBeLessThanOrEqual(1000);
  const kept = await texts(store, { cursor });
  expect(kept.at(-1)).toBe("line 59");
  expect(kept.length).toBeGreaterThan(15);
  expect(kept).toEqual(kept.toSorted((a, b) => Number(a.slice(5)) - Number(b.slice(5))));
});

test("all functions together stay within the total bound, the longest silent giving way", async () => {
  const { store, clock } = open(undefined, 4000);
  for (const name of ["cart", "price", "web"]) {
    clock.advance(1000);
    for (let i = 0; i < 30; i++) {
      store.append({ ...cart, function: name }, line(`line ${i}`));
      store.flush();
    }
  }
  const count = async (name: string) => (await store.read({ ...cart, function: name })).lines.length;
  expect(await count("cart")).toBeLessThan(await count("web"));
});

test("lines that wait are written at once when they become too many", () => {
  const { store, path, clock } = open(undefined, undefined, { pendingCharactersMax: 300 });
  const written = () => listFolder(join(path, "shop", "cart")).length;
  store.append(cart, line("a".repeat(100)));
  expect([written(), clock.pending]).toEqual([0, 1]);
  store.append(cart, line("b".repeat(100)));
  expect(written()).toBe(1);
  const bytes = statSync(join(path, "shop", "cart", "000000001.jsonl")).size;
  store.append(cart, line("c"));
  expect(statSync(join(path, "shop", "cart", "000000001.jsonl")).size).toBe(bytes);
  clock.advance(20);
  expect(statSync(join(path, "shop", "cart", "000000001.jsonl")).size).toBeGreaterThan(bytes);
  expect(store.dropped).toBe(0);
});

test("beyond so many functions a new one's lines are dropped and counted; what was only asked about gives way", async () => {
  const { store } = open(undefined, undefined, { functionsMax: 2 });
  const [web, price] = ["web", "price"].map((name) => ({ namespace: "shop", function: name }));
  if (web === undefined || price === undefined) throw new Error("two were made");
  store.append(cart, line("kept"));
  expect((await store.read(web)).lines).toEqual([]);
  store.append(price, line("in its place"));
  store.append(web, line("lost"));
  expect(store.dropped).toBe(1);
  expect((await store.read(web)).lines).toEqual([]);
  store.append(cart, line("still kept"));
  expect(await texts(store)).toEqual(["kept", "still kept"]);
  expect((await store.read(price)).lines.map(({ text }) => text)).toEqual(["in its place"]);
  expect(store.dropped).toBe(1);
});

test("a line cut by a crash is dropped when the store opens again", async () => {
  const { store, path } = open();
  store.append(cart, line("whole"));
  store.close();
  const folder = join(path, "shop", "cart");
  appendFileSync(join(folder, readdirSync(folder)[0] ?? ""), '{"atMs": 1, "te');
  const again = open(path).store;
  again.append(cart, line("next"));
  expect(await texts(again)).toEqual(["whole", "next"]);
});

test("what cannot be written is counted, and writing goes on once it can", async () => {
  const { store, path } = open();
  appendFileSync(join(path, "shop"), "a file where a folder must be");
  store.append(cart, line("lost"));
  store.flush();
  expect(store.dropped).toBe(1);
  rmSync(join(path, "shop"));
  store.append(cart, line("kept"));
  expect(await texts(store)).toEqual(["kept"]);
});

test.each([
  [{ namespace: "..", function: "cart" }],
  [{ namespace: "shop", function: "../../etc" }],
  [{ ...cart, cursor: "x" }],
])("read() refuses %j", async (query) => {
  expect(await open().store.read(query).catch(meshErrorCode)).toBe("bad-input");
});

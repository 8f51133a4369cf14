import { afterEach, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openBundleStore } from "./bundle-store.ts";
import { serveBundle } from "./serve-bundles.ts";

const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

function tempFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "lambient-bundles-"));
  folders.push(folder);
  return folder;
}

const digestOf = (text: string): string =>
  `sha256:${new Bun.CryptoHasher("sha256").update(text).digest("hex")}`;
const put = (body: string): Request => new Request("https://x/", { method: "PUT", body });

async function* endless(): AsyncGenerator<Uint8Array> {
  for (;;) yield new Uint8Array(32);
}

async function* broken(): AsyncGenerator<Uint8Array> {
  yield new Uint8Array(10);
  await Promise.reject(new Error("the peer went away"));
}

test("a bundle comes back byte for byte, and a second upload changes nothing", async () => {
  const store = openBundleStore({ folder: tempFolder() });
  const digest = digestOf("hello");
  expect((await serveBundle(store, put("hello"), digest)).status).toBe(201);
  expect((await serveBundle(store, put("hello"), digest)).status).toBe(200);
  const got = await serveBundle(store, new Request("https://x/"), digest);
  expect([got.status, await got.text()]).toEqual([200, "hello"]);
});

test.each([
  {
    name: "another digest",
    body: "hello",
    digest: digestOf("other"),
    status: 400,
    why: "its digest is sha256:2cf24dba",
  },
  {
    name: "no digest",
    body: "hello",
    digest: "sha256:../../etc",
    status: 400,
    why: "as sha256:<64 hex digits>",
  },
  {
    name: "too large a body",
    body: "x".repeat(100),
    digest: digestOf("x".repeat(100)),
    status: 413,
    why: "of more than 64 bytes",
  },
])("$name is refused and nothing is left", async ({ body, digest, status, why }) => {
  const folder = tempFolder();
  const store = openBundleStore({ folder, bytesMax: 64 });
  const response = await serveBundle(store, put(body), digest);
  expect([response.status, await response.json()]).toMatchObject([
    status,
    { kind: "Status", message: expect.stringContaining(why) },
  ]);
  expect(readdirSync(folder)).toEqual([]);
});

test("a body that does not say its size is cut off at the limit", async () => {
  const folder = tempFolder();
  const store = openBundleStore({ folder, bytesMax: 64 });
  const error = await store.put(digestOf("x"), endless()).catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({ code: "limit-reached" });
  expect(readdirSync(folder)).toEqual([]);
});

test("an upload that breaks off leaves nothing; what a crash left is cleared at the start", async () => {
  const folder = tempFolder();
  const store = openBundleStore({ folder });
  const error = await store.put(digestOf("x"), broken()).catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({ code: "io-failed" });
  expect(readdirSync(folder)).toEqual([]);
  writeFileSync(join(folder, "aa.1.part"), "half");
  openBundleStore({ folder });
  expect(readdirSync(folder)).toEqual([]);
});

test("too many uploads at once are refused", async () => {
  const store = openBundleStore({ folder: tempFolder(), uploadsMax: 1 });
  const gate = Promise.withResolvers<void>();
  async function* slow(): AsyncGenerator<Uint8Array> {
    await gate.promise;
    yield Buffer.from("hello");
  }
  const first = store.put(digestOf("hello"), slow());
  const second = await store.put(digestOf("other"), slow()).catch((thrown: unknown) => thrown);
  expect(second).toMatchObject({ code: "limit-reached" });
  gate.resolve();
  expect(await first).toBe("created");
});

test("prune() keeps what is in use and what is fresh", async () => {
  const store = openBundleStore({ folder: tempFolder() });
  for (const text of ["used", "unused"]) await serveBundle(store, put(text), digestOf(text));
  const inUse = new Set([digestOf("used")]);
  expect(store.prune(inUse, 1000, Date.now())).toBe(0);
  expect(store.prune(inUse, 1000, Date.now() + 5000)).toBe(1);
  expect([store.find(digestOf("used")) === undefined, store.find(digestOf("unused"))]).toEqual([
    false,
    undefined,
  ]);
});

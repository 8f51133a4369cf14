import { afterEach, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { MeshError, meshErrorCode } from "#host/mesh-error.ts";
import { BundleCache, digestOf } from "./bundles.ts";

const folders: string[] = [];
afterEach(() => {
  for (const path of folders.splice(0)) rmSync(path, { recursive: true, force: true });
});

const content = Buffer.from("export default { fetch() {} }");
const digest = digestOf(content);

function open(path = mkdtempSync(join(tmpdir(), "bundles-")), answer: Uint8Array = content) {
  folders.push(path);
  const pulls: string[] = [];
  const source = {
    get: (wanted: string) => {
      pulls.push(wanted);
      return Promise.resolve(answer);
    },
  };
  return { path, pulls, cache: new BundleCache({ path, source, bytesMax: 1000, totalBytesMax: 40 }) };
}

test("a bundle is pulled once, however many ask, and kept for the next run", async () => {
  const { cache, pulls, path } = open();
  await Promise.all([cache.ensure(digest), cache.ensure(digest), cache.read(digest)]);
  expect(Buffer.from(await cache.read(digest)).equals(content)).toBe(true);
  expect(pulls).toEqual([digest]);
  const again = open(path);
  await again.cache.ensure(digest);
  expect(again.pulls).toEqual([]);
});

test("a file that was damaged on disk is pulled again", async () => {
  const { path, cache, pulls } = open();
  writeFileSync(join(path, digest.slice(7)), "damaged");
  expect(Buffer.from(await cache.read(digest)).equals(content)).toBe(true);
  expect(pulls).toEqual([digest]);
});

test("content of another digest is refused and leaves nothing", async () => {
  const { cache, path } = open(undefined, Buffer.from("evil"));
  expect(await cache.ensure(digest).catch(meshErrorCode)).toBe("bad-input");
  expect(readdirSync(path)).toEqual([]);
});

test("a failed pull is not remembered", async () => {
  const { path } = open();
  let answers = 0;
  const source = {
    get: () => {
      if (answers++ === 0) throw new MeshError("unavailable", "down");
      return Promise.resolve(content);
    },
  };
  const cache = new BundleCache({ path, source, bytesMax: 1000, totalBytesMax: 1000 });
  expect(await cache.ensure(digest).catch(meshErrorCode)).toBe("unavailable");
  await cache.ensure(digest);
});

test("prune() deletes what no revision names, beyond the bound only", async () => {
  const { cache, path } = open();
  await cache.ensure(digest);
  cache.prune(new Set());
  expect(readdirSync(path).length).toBe(1);
  writeFileSync(join(path, "f".repeat(64)), "x".repeat(30));
  cache.prune(new Set([digest]));
  expect(readdirSync(path)).toEqual([digest.slice(7)]);
});

test.each(["", "sha256:../../x", "md5:00", `sha256:${"A".repeat(64)}`])(
  "ensure() refuses the digest %j",
  async (bad) => {
    expect(await open().cache.ensure(bad).catch(meshErrorCode)).toBe("bad-input");
  },
);

test("a full disk is named, leaves nothing half written, and does not stop later pulls", async () => {
  // A file where the folder was: like a full disk, it refuses every write.
  const { cache, path } = open();
  rmSync(path, { recursive: true });
  writeFileSync(path, "");
  const refused = await cache.ensure(digest).catch((error: unknown) => error);
  expect(meshErrorCode(refused)).toBe("io-failed");
  expect(String(refused)).toContain("free space under the data folder");
  rmSync(path);
  mkdirSync(path);
  await cache.ensure(digest);
  expect(readdirSync(path)).toEqual([digest.slice(7)]);
});

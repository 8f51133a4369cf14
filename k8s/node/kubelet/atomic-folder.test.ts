import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { writeAtomicFolder } from "./atomic-folder.ts";

const folder = mkdtempSync(join(tmpdir(), "atomic-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const files = (texts: Readonly<Record<string, string>>) =>
  new Map(Object.entries(texts).map(([path, text]) => [path, { bytes: Buffer.from(text) }]));
const options = { mode: 0o644, gid: undefined };

test("content is replaced whole, and nothing of the old is left", () => {
  writeAtomicFolder(folder, files({ a: "1", "deep/b": "2" }), { ...options, version: "1" });
  expect(readdirSync(folder).sort()).toEqual(["..1", "..data", "a", "deep"]);
  expect(readFileSync(join(folder, "deep/b"), "utf8")).toBe("2");
  writeAtomicFolder(folder, files({ a: "3", c: "4" }), { ...options, mode: 0o400, version: "2" });
  expect(readdirSync(folder).sort()).toEqual(["..2", "..data", "a", "c"]);
  expect(readFileSync(join(folder, "a"), "utf8")).toBe("3");
  expect(statSync(join(folder, "a")).mode & 0o777).toBe(0o400);
  writeAtomicFolder(folder, files({}), { ...options, version: "3" });
  expect(readdirSync(folder).sort()).toEqual(["..3", "..data"]);
});

test("a group may read what is its own", () => {
  const own = mkdtempSync(join(tmpdir(), "atomic-own-"));
  writeAtomicFolder(own, files({ a: "1" }), { mode: 0o400, gid: 4321, version: "1" });
  const { mode, gid } = statSync(join(own, "a"));
  rmSync(own, { recursive: true });
  expect([mode & 0o777, gid]).toEqual([0o440, 4321]);
});

/** Private files: their mode, what replaces what, and what a write that fails leaves. */
import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { writeWhole } from "./private-file.ts";

const folder = mkdtempSync(join(tmpdir(), "lambient-private-file-"));
afterAll(() => rmSync(folder, { recursive: true }));

test("a file is written with its folder, for its owner only, and replaces an older one", () => {
  const path = join(folder, "below", "key");
  writeWhole(path, "old");
  writeWhole(path, new TextEncoder().encode("new"));
  expect(readFileSync(path, "utf8")).toBe("new");
  expect([statSync(path).mode & 0o777, statSync(join(folder, "below")).mode & 0o777]).toEqual([0o600, 0o700]);
  expect(readdirSync(join(folder, "below"))).toEqual(["key"]);
});

test("what an earlier attempt left does not stand in the way", () => {
  const path = join(folder, "token");
  writeFileSync(`${path}.part`, "half", { mode: 0o644 });
  writeWhole(path, "whole");
  expect([readFileSync(path, "utf8"), statSync(path).mode & 0o777]).toEqual(["whole", 0o600]);
});

test("a place that cannot be written to is named", () => {
  writeFileSync(join(folder, "file"), "");
  const path = join(folder, "file", "key");
  expect(() => writeWhole(path, "x")).toThrow(`Cannot write "${path}" as a private file: `);
});

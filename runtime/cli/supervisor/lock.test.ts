import { afterEach, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openLibc } from "#host/linux/libc.ts";
import { isLocked, readLockPid, takeLock } from "./lock.ts";

const folder = mkdtempSync(join(tmpdir(), "lock-"));
afterEach(() => rmSync(folder, { recursive: true, force: true }));

test("takeLock() refuses a second holder naming the first, and is free after release", () => {
  const libc = openLibc();
  const path = join(folder, "lock");
  expect(isLocked(libc, path)).toBe(false);
  const first = takeLock(libc, path, 4711);
  expect(isLocked(libc, path)).toBe(true);
  expect(readLockPid(path)).toBe(4711);
  expect(() => takeLock(libc, path, 4712)).toThrow(
    `Cannot start the mesh: process 4711 runs it already and holds ${path}`,
  );
  first.release();
  expect(isLocked(libc, path)).toBe(false);
  using _second = takeLock(libc, path, 4713);
  expect(readFileSync(path, "utf8")).toBe("4713\n");
});

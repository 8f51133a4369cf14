import { expect, test } from "bun:test";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openLogFile } from "./log-file.ts";

test("openLogFile() keeps the youngest files and forgets the rest", () => {
  const folder = mkdtempSync(join(tmpdir(), "log-file-"));
  const path = join(folder, "system", "p.log");
  const log = openLogFile(path, { bytesMax: 10, keptMax: 2 });
  for (const word of ["aaaa\n", "bbbb\n", "cccc\n", "dddd\n", "eeee\n", "ffff\n", "gggg\n"]) log.write(word);
  log.close();
  expect(readdirSync(join(folder, "system")).toSorted()).toEqual(["p.log", "p.log.1", "p.log.2"]);
  expect(readFileSync(path, "utf8")).toBe("gggg\n");
  expect(readFileSync(`${path}.1`, "utf8")).toBe("eeee\nffff\n");
  expect(readFileSync(`${path}.2`, "utf8")).toBe("cccc\ndddd\n");
  expect(statSync(path).mode & 0o777).toBe(0o600);
  rmSync(folder, { recursive: true });
});

test("openLogFile() goes on where an earlier run ended", () => {
  const folder = mkdtempSync(join(tmpdir(), "log-file-"));
  const path = join(folder, "p.log");
  for (const word of ["one\n", "two\n"]) {
    const log = openLogFile(path, { bytesMax: 100, keptMax: 1 });
    log.write(word);
    log.close();
  }
  expect(readFileSync(path, "utf8")).toBe("one\ntwo\n");
  rmSync(folder, { recursive: true });
});

test("a write that fails is counted, not thrown", () => {
  const log = openLogFile("/dev/full", { bytesMax: 1 << 20, keptMax: 0 });
  log.write("lost\n");
  expect(log.lostBytes).toBe(5);
  log.close();
});

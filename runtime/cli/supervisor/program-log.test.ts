import { expect, test } from "bun:test";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openProgramLog } from "./program-log.ts";

test("a full log is put aside, the youngest are kept, and the writer's descriptor goes on", () => {
  const folder = mkdtempSync(join(tmpdir(), "program-log-"));
  const path = join(folder, "system", "p.log");
  using log = openProgramLog(path, { bytesMax: 10, keptMax: 2 });
  for (const word of ["aaaa\n", "bbbb\n", "cccc\n", "dddd\n", "eeee\n", "ffff\n", "gggg\n"]) {
    writeSync(log.fd, word);
    expect(log.rotate()).toBeUndefined();
  }
  expect(readdirSync(join(folder, "system")).toSorted()).toEqual(["p.log", "p.log.1", "p.log.2"]);
  expect(readFileSync(path, "utf8")).toBe("gggg\n");
  expect(readFileSync(`${path}.1`, "utf8")).toBe("eeee\nffff\n");
  expect(readFileSync(`${path}.2`, "utf8")).toBe("cccc\ndddd\n");
  expect(statSync(path).mode & 0o777).toBe(0o600);
  rmSync(folder, { recursive: true });
});

test("readFrom() gives the end of what was written since, also after a rotation", () => {
  const folder = mkdtempSync(join(tmpdir(), "program-log-"));
  using log = openProgramLog(join(folder, "p.log"), { bytesMax: 12, keptMax: 0 });
  writeSync(log.fd, "before\n");
  const offset = log.size();
  writeSync(log.fd, "after\n");
  expect(log.readFrom(offset, 100)).toBe("after\n");
  expect(log.readFrom(0, 4)).toBe("ter\n");
  log.rotate();
  writeSync(log.fd, "new\n");
  expect(log.readFrom(offset, 100)).toBe("new\n");
  rmSync(folder, { recursive: true });
});

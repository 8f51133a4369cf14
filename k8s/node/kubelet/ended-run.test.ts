import { afterAll, expect, test } from "bun:test";
import { existsSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ExitStatus } from "#host/linux/spawn.ts";
import { ContainerLog } from "./container-log.ts";
import { describeEnd, readLastWords } from "./ended-run.ts";

const folder = mkdtempSync(join(tmpdir(), "ended-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test.each<[string, ExitStatus | undefined, boolean, object]>([
  ["success", { kind: "exited", code: 0 }, false, { exitCode: 0, reason: "Completed" }],
  ["failure", { kind: "exited", code: 3 }, false, { exitCode: 3, reason: "Error" }],
  ["a signal", { kind: "signaled", signal: 15 }, false, { exitCode: 143, signal: 15, reason: "Error" }],
  [
    "want of memory",
    { kind: "signaled", signal: 9 },
    true,
    { exitCode: 137, signal: 9, reason: "OOMKilled" },
  ],
  ["want of memory of a child", { kind: "exited", code: 137 }, true, { exitCode: 137, reason: "OOMKilled" }],
  [
    "a child's want of memory that was survived",
    { kind: "exited", code: 1 },
    true,
    { exitCode: 1, reason: "Error" },
  ],
  ["nobody knows", undefined, false, { exitCode: 137, reason: "ContainerStatusUnknown" }],
])("describeEnd() of %s", (_name, status, isOutOfMemory, want) => {
  const times = { id: "r", startedAtMs: 1, endedAtMs: 2 };
  expect(describeEnd({ ...times, status, isOutOfMemory, message: "" })).toMatchObject({
    kind: "ended",
    ...times,
    ...want,
  });
});

test("last words come from their file, or from the log where that is asked for", async () => {
  const path = join(folder, "message");
  const log = new ContainerLog(join(folder, "0.log"));
  log.append("stderr", Buffer.from("from the log\n"), 0);
  const falling = { terminationMessagePolicy: "FallbackToLogsOnError" } as const;
  writeFileSync(path, "from the file");
  expect(await readLastWords(falling, { path, log, hasFailed: true })).toBe("from the file");
  expect(existsSync(path)).toBe(false);
  expect(await readLastWords(falling, { path, log, hasFailed: true })).toBe("from the log\n");
  expect(await readLastWords(falling, { path, log, hasFailed: false })).toBe("");
  expect(await readLastWords({}, { path, log, hasFailed: true })).toBe("");
  writeFileSync(path, "x".repeat(5000));
  expect((await readLastWords({}, { path, log, hasFailed: false })).length).toBe(4096);
});

test("a link that a container left is not followed", async () => {
  const path = join(folder, "link");
  symlinkSync("/etc/passwd", path);
  const log = new ContainerLog(join(folder, "none.log"));
  expect(await readLastWords({}, { path, log, hasFailed: false })).toBe("");
});

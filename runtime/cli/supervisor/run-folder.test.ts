import { afterAll, expect, test } from "bun:test";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openCgroup, readCgroupMounts } from "#host/linux/cgroup.ts";
import { openLibc } from "#host/linux/libc.ts";
import { meshPaths } from "../mesh-paths.ts";
import { cgroupPath } from "./cgroup-path.ts";
import { openRunFolder } from "./run-folder.ts";

const folder = mkdtempSync(join(tmpdir(), "run-folder-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const libc = openLibc();

test("a closed run folder is gone, but for the lock while the mesh's control group is there", async () => {
  const paths = meshPaths(join(folder, "run"), "/");
  const first = openRunFolder(libc, paths, process.pid);
  const path = cgroupPath(paths.runDir);
  const group = openCgroup(readCgroupMounts(), path);
  writeFileSync(paths.endpointsFile, "{}");
  first.close();
  expect([existsSync(paths.lock), existsSync(paths.endpointsFile)]).toEqual([true, false]);
  const second = openRunFolder(libc, paths, process.pid);
  expect(cgroupPath(paths.runDir)).toBe(path);
  await group.remove(5000);
  second.close();
  expect(existsSync(paths.runDir)).toBe(false);
});

test("a folder that is removed under its holder is the next one's, with a control group of its own", () => {
  const paths = meshPaths(join(folder, "removed"), "/");
  const first = openRunFolder(libc, paths, process.pid);
  const path = cgroupPath(paths.runDir);
  rmSync(paths.runDir, { recursive: true });
  const second = openRunFolder(libc, paths, process.pid);
  expect(cgroupPath(paths.runDir)).not.toBe(path);
  writeFileSync(paths.endpointsFile, "{}");
  first.close();
  expect([existsSync(paths.lock), existsSync(paths.endpointsFile)]).toEqual([true, true]);
  second.close();
  expect(existsSync(paths.runDir)).toBe(false);
});

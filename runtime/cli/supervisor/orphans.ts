/** What a supervisor that was killed left running: found, and ended on request. A mesh whose supervisor lives is none of its business. */
import { existsSync } from "node:fs";
import { openCgroup, readCgroupMounts } from "#host/linux/cgroup.ts";
import type { Libc } from "#host/linux/libc.ts";
import type { MeshPaths } from "../mesh-paths.ts";
import { cgroupPath, hasCgroup } from "./cgroup-path.ts";
import { isLocked } from "./lock.ts";
import { openRunFolder } from "./run-folder.ts";

const removeMs = 5000;

/** Whether a run folder's supervisor is gone and its programs are not. */
export function hasOrphans(libc: Libc, paths: MeshPaths): boolean {
  if (!existsSync(paths.lock) || isLocked(libc, paths.lock)) return false;
  return hasCgroup(paths.runDir);
}

/**
 * Ends them and removes the run folder.
 * @throws MeshError `already-exists` when a supervisor took over meanwhile; Error when they do not end, and the folder stays to tell
 */
export async function endOrphans(libc: Libc, paths: MeshPaths): Promise<void> {
  using _folder = openRunFolder(libc, paths, process.pid);
  const group = openCgroup(readCgroupMounts(), cgroupPath(paths.runDir));
  group.kill();
  await group.remove(removeMs);
}

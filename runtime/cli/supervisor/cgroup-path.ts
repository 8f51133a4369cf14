/**
 * Where a mesh's processes are grouped, told by the lock of its run folder: whoever reaches the folder, by whatever path, finds them.
 * A path alone would not do: in another mount namespace the same path is another folder, and its mesh is another one.
 */
import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import { readCgroupMounts } from "#host/linux/cgroup.ts";
import { meshPaths } from "../mesh-paths.ts";

/**
 * The control group of a mesh, below the mounts. It stays the same from one supervisor to the next that takes over the lock, and no two
 * meshes share it: a supervisor holds its lock open, so its number is not given out again even if somebody removes the file.
 * @throws Error when nobody has locked the folder
 */
export function cgroupPath(runDir: string): string {
  const { dev, ino } = statSync(meshPaths(runDir, "/").lock, { bigint: true });
  return `lambient-${dev.toString(16)}-${ino.toString(16)}`;
}

/** Whether the control group of a locked run folder is there: a mesh runs, or left something. */
export function hasCgroup(runDir: string): boolean {
  return existsSync(join(readCgroupMounts().unified, cgroupPath(runDir)));
}

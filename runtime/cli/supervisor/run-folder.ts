/** The run folder: made for its supervisor, locked, emptied of what a dead one left, and gone at the end. */
import { chmodSync, mkdirSync, readdirSync, rmdirSync, rmSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import type { Libc } from "#host/linux/libc.ts";
import { MeshError } from "#host/mesh-error.ts";
import type { MeshPaths } from "../mesh-paths.ts";
import { hasCgroup } from "./cgroup-path.ts";
import { takeLock } from "./lock.ts";

/** A locked run folder. */
export interface RunFolder extends Disposable {
  /** Removes everything in it but the lock. */
  empty(): void;
  /**
   * Removes it and gives up the lock. The lock's file stays while processes of the mesh do: the next run finds them by it. A folder that
   * was removed under its holder, and is somebody else's by now, is left alone.
   */
  close(): void;
}

/**
 * Makes and locks the folder.
 * @throws MeshError `already-exists` when a supervisor holds it; `bad-input` when it holds files of something else or is another user's
 */
export function openRunFolder(libc: Libc, paths: MeshPaths, pid: number): RunFolder {
  mkdirSync(paths.runDir, { recursive: true, mode: 0o700 });
  const entries = readdirSync(paths.runDir);
  if (entries.length > 0 && !entries.includes(basename(paths.lock))) {
    throw new MeshError(
      "bad-input",
      `Cannot use ${paths.runDir} as a run folder: it holds other files, such as "${entries[0]}"; choose an empty or absent --run-dir`,
    );
  }
  const { uid } = statSync(paths.runDir);
  if (uid !== process.getuid?.()) {
    throw new MeshError(
      "bad-input",
      `Cannot use ${paths.runDir} as a run folder: it belongs to user ${uid}, who could read the tokens in it; choose another --run-dir`,
    );
  }
  chmodSync(paths.runDir, 0o700);
  const lock = takeLock(libc, paths.lock, pid);
  const empty = (): void => {
    for (const name of readdirSync(paths.runDir)) {
      if (name !== basename(paths.lock)) rmSync(join(paths.runDir, name), { recursive: true, force: true });
    }
  };
  const remove = (): void => {
    empty();
    if (hasCgroup(paths.runDir)) return;
    rmSync(paths.lock, { force: true });
    removeIfEmpty(paths.runDir);
  };
  const close = (): void => {
    if (lock.isInPlace()) remove();
    lock.release();
  };
  return { empty, close, [Symbol.dispose]: close };
}

function removeIfEmpty(folder: string): void {
  try {
    rmdirSync(folder);
  } catch {
    // It is a mount point, or somebody put a file there meanwhile: not ours to remove.
  }
}

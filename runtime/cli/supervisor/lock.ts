/** The lock of a run folder: held by the kernel for as long as its supervisor lives, so that a dead one never blocks the next. */
import { closeSync, fstatSync, ftruncateSync, openSync, readFileSync, statSync, writeSync } from "node:fs";
import { LinuxError } from "#host/linux/errno.ts";
import type { Libc } from "#host/linux/libc.ts";
import { MeshError } from "#host/mesh-error.ts";

/** A held lock. */
export interface Lock extends Disposable {
  /** Whether its file is still there: somebody may have removed it, and another supervisor have locked a new one. */
  isInPlace(): boolean;
  release(): void;
}

const exclusive = 2;
const withoutWaiting = 4;
const setFlags = 2; // F_SETFD
const closeOnExec = 1;

/**
 * Takes the lock and writes the pid into it, for messages only.
 * @throws MeshError `already-exists` naming who holds it
 */
export function takeLock(libc: Libc, path: string, pid: number): Lock {
  const fd = openLocked(libc, path);
  ftruncateSync(fd, 0);
  writeSync(fd, `${pid}\n`);
  const release = (): void => closeSync(fd);
  return { isInPlace: () => isSameFile(fd, path), release, [Symbol.dispose]: release };
}

const triesMax = 100;

function openLocked(libc: Libc, path: string): number {
  for (let tries = 0; tries < triesMax; tries++) {
    const fd = openAndLock(libc, path);
    // The file may have been removed, by a holder at its end, between our opening and our locking it.
    if (isSameFile(fd, path)) return fd;
    closeSync(fd);
  }
  throw new MeshError(
    "conflict",
    `Cannot lock ${path}: it keeps being replaced; look who else uses the folder`,
  );
}

function isSameFile(fd: number, path: string): boolean {
  try {
    const [there, held] = [statSync(path), fstatSync(fd)];
    return there.dev === held.dev && there.ino === held.ino;
  } catch {
    return false; // it was removed
  }
}

function openAndLock(libc: Libc, path: string): number {
  const fd = openSync(path, "a+", 0o600);
  try {
    libc.call(`Cannot keep ${path} from children`, "fcntl", fd, setFlags, closeOnExec);
    libc.call(`Cannot lock ${path}`, "flock", fd, exclusive | withoutWaiting);
    return fd;
  } catch (error) {
    closeSync(fd);
    throw isTaken(error) ? takenBy(path) : error;
  }
}

/** Whether somebody holds the lock at this moment. A lock file that is not there is not held. */
export function isLocked(libc: Libc, path: string): boolean {
  let fd: number;
  try {
    fd = openSync(path, "r");
  } catch {
    return false; // nobody has ever locked it
  }
  const taken = libc.attempt("flock", fd, exclusive | withoutWaiting) < 0;
  closeSync(fd);
  return taken;
}

/** The pid written by the last holder. */
export function readLockPid(path: string): number | undefined {
  try {
    const pid = Number(readFileSync(path, "utf8").trim());
    return Number.isInteger(pid) && pid > 0 ? pid : undefined;
  } catch {
    return undefined; // nobody has ever locked it
  }
}

function isTaken(error: unknown): boolean {
  return error instanceof LinuxError && error.errno === "EAGAIN";
}

function takenBy(path: string): MeshError {
  const pid = readLockPid(path);
  const holder = pid === undefined ? "another process" : `process ${pid}`;
  return new MeshError(
    "already-exists",
    `Cannot start the mesh: ${holder} runs it already and holds ${path}; use "lambient status", or "lambient down" first, or another --run-dir`,
  );
}

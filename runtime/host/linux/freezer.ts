/** Stopping all processes of a control group between two of their instructions, for a moment; they do not notice but by the clock. */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { CgroupMounts } from "./cgroup.ts";

/** Short, since the processes stand still already while the last of them is waited for; a pause, since it needs a processor to stop. */
const pauseMs = 0.1;

/**
 * Runs `action`, which must be synchronous, while no process of the group or below it runs; they go on afterwards in any case.
 * @throws Error when they have not stopped within `timeoutMs`; `action` has not run then
 */
export function whileFrozen<T>(mounts: CgroupMounts, path: string, timeoutMs: number, action: () => T): T {
  const folder = join(mounts.unified, path);
  const deadline = performance.now() + timeoutMs;
  try {
    writeFileSync(join(folder, "cgroup.freeze"), "1");
    while (!isFrozen(folder)) {
      if (performance.now() > deadline)
        throw new Error(`Cannot freeze the control group ${path} within ${timeoutMs} ms`);
      pause(pauseMs);
    }
    return action();
  } finally {
    thaw(mounts, path);
  }
}

/** Lets the processes of a group go on, if they were stopped. */
export function thaw(mounts: CgroupMounts, path: string): void {
  try {
    writeFileSync(join(mounts.unified, path, "cgroup.freeze"), "0");
  } catch {
    // The group is gone, and its processes with it.
  }
}

/** The processes of a group and of all below it. */
export function listProcesses(mounts: CgroupMounts, path: string): number[] {
  return pidsBelow(join(mounts.unified, path));
}

/** Bun's own sleep knows whole milliseconds only. */
function pause(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

function isFrozen(folder: string): boolean {
  return /^frozen 1$/m.test(readFileSync(join(folder, "cgroup.events"), "utf8"));
}

function pidsBelow(folder: string): number[] {
  try {
    const own = readFileSync(join(folder, "cgroup.procs"), "utf8")
      .split("\n")
      .filter((line) => line !== "");
    const below = readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isDirectory());
    return [...own.map(Number), ...below.flatMap(({ name }) => pidsBelow(join(folder, name)))];
  } catch {
    return []; // gone meanwhile
  }
}

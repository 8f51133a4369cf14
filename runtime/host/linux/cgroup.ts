/**
 * Control groups: limits on what processes use, and the one sure way to end all of them.
 * Works on version 2 alone and on hybrid machines, where memory and pids are version 1 hierarchies beside it; the machine is left as it is.
 */
import { mkdirSync, promises, readdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** Where the hierarchies are mounted. */
export interface CgroupMounts {
  /** Version 2. */
  readonly unified: string;
  /** Version 1 hierarchies of controllers that version 2 does not have. */
  readonly memoryV1: string | undefined;
  readonly pidsV1: string | undefined;
  readonly cpuV1?: string;
}

/** What the processes of a group may use together. */
export interface CgroupLimits {
  readonly memoryBytesMax?: number;
  readonly processesMax?: number;
  /** Thousandths of a core. */
  readonly cpuMillisMax?: number;
}

/** A group; every hierarchy has a folder of the same path for it. */
export interface Cgroup {
  /** Its path below the mounts. */
  readonly path: string;
  /**
   * Files that take a process, which a process that is being born can write "0" to: of version 2, and of the others where they limit it.
   * Each takes milliseconds.
   */
  memberFiles(limits: CgroupLimits): string[];
  /** Moves a process in. It may take 25 ms, which pass outside the engine's thread. @throws Error when there is no such process */
  join(pid: number): Promise<void>;
  /** Changes limits. */
  limit(limits: CgroupLimits): void;
  /** Ends every process in it and below, for certain and at once. */
  kill(): void;
  /** The processes in it, without those of groups below. */
  pids(): number[];
  /** Names of the groups below. */
  children(): string[];
  /** How often the kernel ended a process of it for want of memory. */
  outOfMemoryKills(): number;
  /** Removes it and all groups below once their processes are gone. @throws Error when some remain after `timeoutMs` */
  remove(timeoutMs: number): Promise<void>;
}

const retryMs = 5;
const memberFile = "cgroup.procs";
/** The kernel's usual period, in which a group may use its share. */
const cpuPeriodMicros = 100_000;
/** It refuses less. */
const cpuQuotaMicrosMin = 1000;

/** Reads the hierarchies' places out of `/proc/self/mountinfo`; undefined when version 2 is not mounted. */
export function findCgroupMounts(mountInfo: string): CgroupMounts | undefined {
  const hierarchies = mountInfo.split("\n").map((line) => {
    const [left = "", right = ""] = line.split(" - ");
    const [type, , options = ""] = right.split(" ");
    return { place: left.split(" ")[4], type, controllers: options.split(",") };
  });
  const unified = hierarchies.find(({ type }) => type === "cgroup2")?.place;
  const placeOf = (controller: string): string | undefined =>
    hierarchies.find(({ type, controllers }) => type === "cgroup" && controllers.includes(controller))?.place;
  const cpuV1 = placeOf("cpu");
  return unified === undefined
    ? undefined
    : {
        unified,
        memoryV1: placeOf("memory"),
        pidsV1: placeOf("pids"),
        ...(cpuV1 === undefined ? {} : { cpuV1 }),
      };
}

/** The machine's hierarchies. @throws Error when version 2 is not mounted */
export function readCgroupMounts(): CgroupMounts {
  const mounts = findCgroupMounts(readFileSync("/proc/self/mountinfo", "utf8"));
  if (mounts === undefined) {
    throw new Error(
      "Cannot find control groups of version 2 as a mount: none of type cgroup2 in /proc/self/mountinfo; mount one, for instance at /sys/fs/cgroup/unified",
    );
  }
  return mounts;
}

/** Makes a group, or takes the one that is there; missing parents are made without limits. */
export function openCgroup(mounts: CgroupMounts, path: string, limits: CgroupLimits = {}): Cgroup {
  const places = foldersOf(mounts, path);
  for (const folder of places.all) mkdirSync(folder, { recursive: true });
  applyLimits(mounts, path, limits);
  return {
    path,
    memberFiles: (given) => limitedFolders(places, given).map((folder) => join(folder, memberFile)),
    async join(pid) {
      for (const folder of places.all) await promises.writeFile(join(folder, memberFile), String(pid));
    },
    limit: (changed) => applyLimits(mounts, path, changed),
    kill: () => killAll(places.unified),
    pids: () => readPids(places.unified),
    children: () => subfolders(places.unified),
    outOfMemoryKills: () => readOutOfMemoryKills(places.memoryV1, places.unified),
    remove: (timeoutMs) => removeFolders(places.all, timeoutMs),
  };
}

function limitedFolders({ unified, memoryV1, pidsV1, cpuV1 }: Folders, limits: CgroupLimits): string[] {
  const { memoryBytesMax, processesMax, cpuMillisMax } = limits;
  const limited = [
    memoryBytesMax === undefined ? undefined : memoryV1,
    processesMax === undefined ? undefined : pidsV1,
    cpuMillisMax === undefined ? undefined : cpuV1,
  ];
  return [unified, ...limited.filter((folder) => folder !== undefined)];
}

interface Folders {
  readonly all: string[];
  readonly unified: string;
  readonly memoryV1: string | undefined;
  readonly pidsV1: string | undefined;
  readonly cpuV1: string | undefined;
}

function foldersOf(mounts: CgroupMounts, path: string): Folders {
  const below = (mount: string | undefined): string | undefined => mount && join(mount, path);
  const unified = join(mounts.unified, path);
  const [memoryV1, pidsV1, cpuV1] = [mounts.memoryV1, mounts.pidsV1, mounts.cpuV1].map(below);
  const all = [unified, memoryV1, pidsV1, cpuV1].filter((folder) => folder !== undefined);
  return { all, unified, memoryV1, pidsV1, cpuV1 };
}

function applyLimits(mounts: CgroupMounts, path: string, limits: CgroupLimits): void {
  const { unified, memoryV1, pidsV1, cpuV1 } = foldersOf(mounts, path);
  const { memoryBytesMax, processesMax, cpuMillisMax } = limits;
  const set = (v1: string | undefined, v2: { controller: string; file: string; value: string }): void => {
    if (v1 !== undefined) writeFileSync(v1, v2.value);
    else delegate(mounts, path, v2.controller, () => writeFileSync(join(unified, v2.file), v2.value));
  };
  if (memoryBytesMax !== undefined) {
    const file = memoryV1 && join(memoryV1, "memory.limit_in_bytes");
    set(file, { controller: "memory", file: "memory.max", value: String(memoryBytesMax) });
  }
  if (processesMax !== undefined) {
    const file = pidsV1 && join(pidsV1, "pids.max");
    set(file, { controller: "pids", file: "pids.max", value: String(processesMax) });
  }
  if (cpuMillisMax === undefined) return;
  const quota = Math.max(cpuQuotaMicrosMin, Math.round((cpuMillisMax * cpuPeriodMicros) / 1000));
  if (cpuV1 !== undefined) writeFileSync(join(cpuV1, "cpu.cfs_quota_us"), String(quota));
  else set(undefined, { controller: "cpu", file: "cpu.max", value: `${quota} ${cpuPeriodMicros}` });
}

/** Version 2 has a controller in a group only when every group above passes it on. */
function delegate(mounts: CgroupMounts, path: string, controller: string, write: () => void): void {
  let above = mounts.unified;
  for (const name of path.split("/").filter((part) => part !== "")) {
    writeFileSync(join(above, "cgroup.subtree_control"), `+${controller}`);
    above = join(above, name);
  }
  write();
}

function killAll(folder: string): void {
  try {
    writeFileSync(join(folder, "cgroup.kill"), "1");
  } catch {
    // Kernels before 5.14 have no such file.
    for (const name of subfolders(folder)) killAll(join(folder, name));
    for (const pid of readPids(folder)) killOne(pid);
  }
}

function killOne(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It ended by itself between the list and the signal.
  }
}

function readPids(folder: string): number[] {
  return readText(join(folder, "cgroup.procs"))
    .split("\n")
    .filter((line) => line !== "")
    .map(Number);
}

function readTreePids(folder: string): number[] {
  return [...readPids(folder), ...subfolders(folder).flatMap((name) => readTreePids(join(folder, name)))];
}

function readOutOfMemoryKills(memoryV1: string | undefined, unified: string): number {
  const text =
    memoryV1 === undefined
      ? readText(join(unified, "memory.events"))
      : readText(join(memoryV1, "memory.oom_control"));
  return Number(/^oom_kill (\d+)$/m.exec(text)?.[1] ?? 0);
}

function subfolders(folder: string): string[] {
  try {
    return readdirSync(folder, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map((entry) => entry.name);
  } catch {
    return []; // The group is gone already.
  }
}

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return ""; // The group is gone, or the controller is not there.
  }
}

async function removeFolders(folders: readonly string[], timeoutMs: number): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  for (const folder of folders) {
    while (!removeTree(folder)) {
      if (performance.now() > deadline) {
        throw new Error(
          `Cannot remove the control group ${folder}: processes ${readTreePids(folder).join(", ")} remain`,
        );
      }
      await Bun.sleep(retryMs);
    }
  }
}

/** Whether the folder and all below are gone. */
function removeTree(folder: string): boolean {
  for (const name of subfolders(folder)) if (!removeTree(join(folder, name))) return false;
  try {
    rmdirSync(folder);
    return true;
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "ENOENT";
  }
}

/** What there is on a host at a moment: processes, mounts, links, sockets, control groups of meshes; and what one moment has more than another. */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { readCgroupMounts } from "#host/linux/cgroup.ts";

/** Each entry is a line for people, the same at both moments when it is the same thing. */
export interface HostSnapshot {
  /** `pid command`, zombies left out: they hold nothing. */
  readonly processes: readonly string[];
  readonly mounts: readonly string[];
  readonly links: readonly string[];
  /** Unix sockets with a name, and listening TCP ports of this network namespace. */
  readonly sockets: readonly string[];
  /** Network, mount, pid and uts namespaces of the processes. */
  readonly namespaces: readonly string[];
}

/** Looks around; the given processes are left out. */
export function takeSnapshot(without: ReadonlySet<number>): HostSnapshot {
  const pids = readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
  const others = pids.filter((pid) => !without.has(pid) && isAlive(pid));
  return {
    processes: others.map((pid) => `${pid} ${commandOf(pid)}`),
    mounts: lines("/proc/self/mountinfo").map((line) => line.split(" ").slice(3, 5).join(" at ")),
    links: lines("/proc/self/net/dev")
      .slice(2)
      .map((line) => line.trim().split(":")[0] ?? ""),
    sockets: [
      ...unixSockets(),
      ...tcpListeners("/proc/self/net/tcp"),
      ...tcpListeners("/proc/self/net/tcp6"),
    ],
    namespaces: [...new Set(others.flatMap(namespacesOf))].toSorted(),
  };
}

/** Which of these control groups are there, in any hierarchy. A mesh's is noted while it runs: once it is down its folder tells nothing. */
export function listCgroups(groups: ReadonlySet<string>): string[] {
  const { unified, memoryV1, pidsV1 } = readCgroupMounts();
  return [unified, memoryV1, pidsV1].flatMap((mount) => {
    if (mount === undefined) return [];
    return readdirSync(mount).flatMap((name) => (groups.has(name) ? [join(mount, name)] : []));
  });
}

/** What is there now and was not before, one line each. */
export function findLeaks(before: HostSnapshot, after: HostSnapshot): string[] {
  const kinds = Object.keys(after) as (keyof HostSnapshot)[];
  return kinds.flatMap((kind) => {
    const known = countEach(before[kind]);
    return after[kind].flatMap((entry) => {
      const left = known.get(entry) ?? 0;
      known.set(entry, left - 1);
      return left > 0 ? [] : [`${kind}: ${entry}`];
    });
  });
}

function countEach(entries: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const entry of entries) counts.set(entry, (counts.get(entry) ?? 0) + 1);
  return counts;
}

function isAlive(pid: number): boolean {
  const state = read(`/proc/${pid}/stat`).split(") ").at(-1)?.[0];
  return state !== undefined && state !== "Z" && state !== "X";
}

function commandOf(pid: number): string {
  const command = read(`/proc/${pid}/cmdline`).replaceAll("\0", " ").trim();
  return command === "" ? `[${read(`/proc/${pid}/comm`).trim()}]` : command.slice(0, 300);
}

function namespacesOf(pid: number): string[] {
  return ["net", "mnt", "pid", "uts"].flatMap((kind) => {
    try {
      return [readlinkSync(`/proc/${pid}/ns/${kind}`)];
    } catch {
      return []; // it ended meanwhile
    }
  });
}

function unixSockets(): string[] {
  return lines("/proc/self/net/unix")
    .slice(1)
    .flatMap((line) => {
      const path = line.trim().split(/\s+/)[7];
      return path === undefined ? [] : [`unix ${path}`];
    });
}

function tcpListeners(path: string): string[] {
  return lines(path)
    .slice(1)
    .flatMap((line) => {
      const [, local, , state] = line.trim().split(/\s+/);
      return state === "0A" && local !== undefined ? [`tcp ${local}`] : [];
    });
}

function lines(path: string): string[] {
  return read(path)
    .split("\n")
    .filter((line) => line !== "");
}

function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return ""; // the process ended meanwhile, or the kernel lacks the table
  }
}

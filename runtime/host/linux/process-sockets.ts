/** Reaching into the sockets of other processes: finds them by their inodes in the processes' descriptors and sets their marks. */
import { readdirSync, readlinkSync } from "node:fs";
import { closeFd, type Libc } from "./libc.ts";
import { openPidfd, setMark, takeFd } from "./sockets.ts";

/**
 * Sets the mark of every socket in `marks` (by inode) that one of the processes holds; a socket's packets are routed anew from then on.
 * What cannot be reached is left: its process ended, or holds it elsewhere than among its descriptors.
 * @returns the inodes that were marked
 */
export function markSockets(
  libc: Libc,
  pids: readonly number[],
  marks: ReadonlyMap<number, number>,
): ReadonlySet<number> {
  const marked = new Set<number>();
  for (const pid of pids) {
    if (marked.size === marks.size) break;
    markOf(libc, pid, marks, marked);
  }
  return marked;
}

function markOf(libc: Libc, pid: number, marks: ReadonlyMap<number, number>, marked: Set<number>): void {
  let pidfd = -1;
  try {
    pidfd = openPidfd(libc, pid);
    for (const name of readdirSync(`/proc/${pid}/fd`)) {
      const inode = inodeOf(pid, name);
      const mark = inode === undefined ? undefined : marks.get(inode);
      if (inode === undefined || mark === undefined || marked.has(inode)) continue;
      const fd = takeFd(libc, pidfd, Number(name));
      try {
        setMark(libc, fd, mark);
        marked.add(inode);
      } finally {
        closeFd(libc, fd);
      }
    }
  } catch {
    // The process ended between the list and the look: its sockets are listed again as nobody's.
  } finally {
    closeFd(libc, pidfd);
  }
}

function inodeOf(pid: number, name: string): number | undefined {
  try {
    const target = readlinkSync(`/proc/${pid}/fd/${name}`);
    return target.startsWith("socket:[") ? Number(target.slice(8, -1)) : undefined;
  } catch {
    return undefined; // closed meanwhile
  }
}

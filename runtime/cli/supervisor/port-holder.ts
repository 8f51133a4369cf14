/** Finds out which process listens on a TCP port, as far as this process may look. Reads /proc; opens no socket. */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";

/** Such as `nginx (pid 812)`; undefined when it cannot be told. */
export function findPortHolder(port: number): string | undefined {
  const inodes = new Set(
    ["/proc/net/tcp", "/proc/net/tcp6"].flatMap((path) => listenerInodes(readText(path), port)),
  );
  if (inodes.size === 0) return undefined;
  const pid = readdirSync("/proc").find((name) => /^\d+$/.test(name) && holdsSocket(name, inodes));
  if (pid === undefined) return undefined;
  return `${readText(`/proc/${pid}/comm`).trim() || "a process"} (pid ${pid})`;
}

/** The inodes of listening sockets on a port, from the text of /proc/net/tcp. */
export function listenerInodes(table: string, port: number): string[] {
  const wanted = port.toString(16).toUpperCase().padStart(4, "0");
  return table.split("\n").flatMap((line) => {
    const [, local = "", , state, , , , , , inode] = line.trim().split(/\s+/);
    return state === "0A" && local.endsWith(`:${wanted}`) && inode !== undefined ? [inode] : [];
  });
}

function holdsSocket(pid: string, inodes: ReadonlySet<string>): boolean {
  try {
    return readdirSync(`/proc/${pid}/fd`).some((fd) => {
      const [, inode] = /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${fd}`)) ?? [];
      return inode !== undefined && inodes.has(inode);
    });
  } catch {
    return false; // it ended, or is not ours to look into
  }
}

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return ""; // no IPv6, or the process ended
  }
}
